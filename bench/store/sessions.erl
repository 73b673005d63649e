%% Sessions in an ETS table, in the works of store.ts: one process, a set table, 16-byte binary
%% keys, tuples of {Key, Version, Data, LastActivity}. Prints one line of nanoseconds a round.
-module(sessions).
-export([main/1]).

main([SessionsText, RoundsText]) ->
    Sessions = list_to_integer(SessionsText),
    rand:seed(exsss, {1, 2, 3}),
    Keys = [rand:bytes(16) || _ <- lists:seq(1, Sessions)],
    Half = lists:sublist(Keys, Sessions div 2),
    lists:foreach(fun(_) -> round(Keys, Half, Sessions) end,
                  lists:seq(1, list_to_integer(RoundsText))),
    halt(0).

round(Keys, Half, Sessions) ->
    T = ets:new(sessions, [set, private]),
    Now = erlang:monotonic_time(millisecond),
    Data = #{user => 1, name => <<"somebody">>, cart => [1, 2, 3]},
    Figures = [
        {create, Sessions, fun() -> create(T, Keys, Now) end},
        {get, Sessions, fun() -> get(T, Keys, Now) end},
        {put, Sessions, fun() -> put(T, Keys, Data, Now) end},
        {merge, Sessions, fun() -> merge(T, Keys, #{name => <<"somebody else">>}, Now) end},
        {touch, Sessions, fun() -> touch(T, Keys, Now) end},
        {list, Sessions, fun() -> Sessions = length(ets:tab2list(T)) end},
        {remove, Sessions div 2, fun() -> [ets:delete(T, K) || K <- Half] end},
        {sweep, Sessions div 2, fun() -> sweep(T, Now + 1, Sessions div 2) end}
    ],
    Line = [timed(Count, F) || {_, Count, F} <- Figures],
    ets:delete(T),
    io:format("~s~n", [lists:join(" ", Line)]).

timed(Count, F) ->
    Started = erlang:monotonic_time(nanosecond),
    F(),
    io_lib:format("~.2f", [(erlang:monotonic_time(nanosecond) - Started) / Count]).

create(T, Keys, Now) -> [true = ets:insert_new(T, {K, 0, #{}, Now}) || K <- Keys].

%% A read prolongs the session, as it does in the other stores.
get(T, Keys, Now) ->
    [begin [{_, _, _, _}] = ets:lookup(T, K), true = ets:update_element(T, K, {4, Now}) end
     || K <- Keys].

put(T, Keys, Data, Now) ->
    [begin
         [{_, Version, _, _}] = ets:lookup(T, K),
         true = ets:insert(T, {K, Version + 1, Data, Now})
     end || K <- Keys].

merge(T, Keys, Patch, Now) ->
    [begin
         [{_, Version, Data, _}] = ets:lookup(T, K),
         true = ets:insert(T, {K, Version + 1, maps:merge(Data, Patch), Now})
     end || K <- Keys].

touch(T, Keys, Now) -> [true = ets:update_element(T, K, {4, Now}) || K <- Keys].

sweep(T, Limit, Expected) ->
    Expected = ets:select_delete(T, [{{'_', '_', '_', '$1'}, [{'<', '$1', Limit}], [true]}]).
