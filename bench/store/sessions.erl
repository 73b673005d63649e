%% Sessions in the stores of Erlang, in the works of store.ts: one process, a set table, 16-byte
%% binary keys, tuples of {Table, Key, Version, Data, LastActivity}. Takes a line with the name of
%% a store, does one cycle, answers a line: ok and nanoseconds a session for each work (- for one
%% that the store does not do), or error and why. Ends with its input.
-module(sessions).
-export([main/1]).

main([SessionsText, Folder]) ->
    Sessions = list_to_integer(SessionsText),
    rand:seed(exsss, {1, 2, 3}),
    Keys = [rand:bytes(16) || _ <- lists:seq(1, Sessions)],
    Half = lists:sublist(Keys, Sessions div 2),
    serve(Keys, Half, Sessions, Folder).

serve(Keys, Half, Sessions, Folder) ->
    case io:get_line("") of
        eof -> halt(0);
        Line ->
            Name = list_to_atom(string:trim(Line)),
            try lists:join(" ", cycle(Name, Keys, Half, Sessions, Folder)) of
                Figures -> io:format("ok ~s~n", [Figures])
            catch
                _:Reason -> io:format("error ~0p~n", [Reason])
            end,
            serve(Keys, Half, Sessions, Folder)
    end.

cycle(Name, Keys, Half, Sessions, Folder) ->
    Store = open(Name, Folder),
    Now = erlang:monotonic_time(millisecond),
    Data = #{user => 1, name => <<"somebody">>, cart => [1, 2, 3]},
    Patch = #{name => <<"somebody else">>},
    Figures = [
        timed(Sessions, fun() -> create(Store, Keys, Now) end),
        timed(Sessions, fun() -> get(Store, Keys, Now) end),
        timed(Sessions, fun() -> put(Store, Keys, Data, Now) end),
        timed(Sessions, fun() -> merge(Store, Keys, Patch, Now) end),
        timed(Sessions, fun() -> touch(Store, Keys, Now) end),
        timed(Sessions, fun() -> Sessions = length(list(Store)) end),
        timed(Sessions div 2, fun() -> remove(Store, Half) end),
        timed(Sessions div 2, fun() -> sweep(Store, Now + 1, Sessions div 2) end)
    ],
    close(Store),
    Figures.

timed(Count, F) ->
    Started = erlang:monotonic_time(nanosecond),
    case F() of
        unsupported -> "-";
        _ -> io_lib:format("~.2f", [(erlang:monotonic_time(nanosecond) - Started) / Count])
    end.

%% A table that is empty. Mnesia is started with the first cycle that needs it.
open(ets, _) -> {ets, ets:new(sessions, [set, private, {keypos, 2}])};
open(dets, Folder) ->
    Options = [{file, filename:join(Folder, "sessions.dets")}, {type, set}, {keypos, 2}],
    {ok, Table} = dets:open_file(sessions, Options),
    ok = dets:delete_all_objects(Table),
    {dets, Table};
open(mnesia_dirty, Folder) -> open_mnesia(mnesia_dirty, ram, ram_copies, Folder);
open(mnesia_transaction, Folder) -> open_mnesia(mnesia_transaction, ram, ram_copies, Folder);
open(mnesia_disc, Folder) -> open_mnesia(mnesia_transaction, disc, disc_copies, Folder).

open_mnesia(Kind, Table, Copies, Folder) ->
    case mnesia:system_info(is_running) of
        yes -> ok;
        no ->
            ok = application:set_env(mnesia, dir, filename:join(Folder, "mnesia")),
            ok = mnesia:create_schema([node()]),
            ok = mnesia:start()
    end,
    case lists:member(Table, mnesia:system_info(tables)) of
        true -> {atomic, ok} = mnesia:clear_table(Table);
        false ->
            Attributes = {attributes, [key, version, data, last]},
            {atomic, ok} = mnesia:create_table(Table, [{Copies, [node()]}, Attributes])
    end,
    {Kind, Table}.

close({ets, T}) -> ets:delete(T);
close({dets, T}) -> ok = dets:close(T);
close({_, T}) -> {atomic, ok} = mnesia:clear_table(T).

create({ets, T}, Keys, Now) -> [true = ets:insert_new(T, {T, K, 0, #{}, Now}) || K <- Keys];
create({dets, T}, Keys, Now) -> [true = dets:insert_new(T, {T, K, 0, #{}, Now}) || K <- Keys];
create({mnesia_dirty, T}, Keys, Now) ->
    [ok = mnesia:dirty_write(T, {T, K, 0, #{}, Now}) || K <- Keys];
create({mnesia_transaction, T}, Keys, Now) ->
    [{atomic, ok} = mnesia:transaction(fun() -> mnesia:write({T, K, 0, #{}, Now}) end)
     || K <- Keys].

%% In ETS a read prolongs the session, as it does in the other stores of the first table.
get({ets, T}, Keys, Now) ->
    [begin [_] = ets:lookup(T, K), true = ets:update_element(T, K, {5, Now}) end || K <- Keys];
get({dets, T}, Keys, _) -> [[_] = dets:lookup(T, K) || K <- Keys];
get({mnesia_dirty, T}, Keys, _) -> [[_] = mnesia:dirty_read(T, K) || K <- Keys];
get({mnesia_transaction, T}, Keys, _) ->
    [{atomic, [_]} = mnesia:transaction(fun() -> mnesia:read(T, K) end) || K <- Keys].

put({ets, T}, Keys, Data, Now) ->
    [begin
         [{_, _, Version, _, _}] = ets:lookup(T, K),
         true = ets:insert(T, {T, K, Version + 1, Data, Now})
     end || K <- Keys];
put({dets, T}, Keys, Data, Now) ->
    [begin
         [{_, _, Version, _, _}] = dets:lookup(T, K),
         ok = dets:insert(T, {T, K, Version + 1, Data, Now})
     end || K <- Keys];
put({mnesia_dirty, T}, Keys, Data, Now) ->
    [begin
         [{_, _, Version, _, _}] = mnesia:dirty_read(T, K),
         ok = mnesia:dirty_write(T, {T, K, Version + 1, Data, Now})
     end || K <- Keys];
put({mnesia_transaction, T}, Keys, Data, Now) ->
    [{atomic, ok} = mnesia:transaction(fun() ->
         [{_, _, Version, _, _}] = mnesia:read(T, K, write),
         mnesia:write({T, K, Version + 1, Data, Now})
     end) || K <- Keys].

merge({ets, T}, Keys, Patch, Now) ->
    [begin
         [{_, _, Version, Data, _}] = ets:lookup(T, K),
         true = ets:insert(T, {T, K, Version + 1, maps:merge(Data, Patch), Now})
     end || K <- Keys];
merge(_, _, _, _) -> unsupported.

touch({ets, T}, Keys, Now) -> [true = ets:update_element(T, K, {5, Now}) || K <- Keys];
touch(_, _, _) -> unsupported.

list({ets, T}) -> ets:tab2list(T);
list({dets, T}) -> dets:match_object(T, '_');
list({mnesia_dirty, T}) -> mnesia:dirty_match_object({T, '_', '_', '_', '_'});
list({mnesia_transaction, T}) ->
    {atomic, All} = mnesia:transaction(fun() -> mnesia:match_object({T, '_', '_', '_', '_'}) end),
    All.

remove({ets, T}, Keys) -> [true = ets:delete(T, K) || K <- Keys];
remove({dets, T}, Keys) -> [ok = dets:delete(T, K) || K <- Keys];
remove({mnesia_dirty, T}, Keys) -> [ok = mnesia:dirty_delete(T, K) || K <- Keys];
remove({mnesia_transaction, T}, Keys) ->
    [{atomic, ok} = mnesia:transaction(fun() -> mnesia:delete({T, K}) end) || K <- Keys].

sweep({ets, T}, Limit, Expected) ->
    Pattern = {'_', '_', '_', '_', '$1'},
    Expected = ets:select_delete(T, [{Pattern, [{'<', '$1', Limit}], [true]}]);
sweep(_, _, _) -> unsupported.
