"""Drives the Python example against the server on the port given; prints a JSON line per step.

The server has places for two sessions.
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / 'examples' / 'python'))
from sessile_client import Client, Evicted, Failed  # noqa: E402


def show(step, result):
    print(json.dumps([step, result]))


def lose(client, count):
    """Loses the next replies: each is read, so it was sent, and then the connection breaks."""
    receive = client.receive
    left = [count]

    def lossy():
        message = receive()
        if message[0] == 18 and left[0] > 0:
            left[0] -= 1
            lost.append(message)
            raise ConnectionResetError('lost on the way')
        return message

    lost = []
    client.receive = lossy
    return lost


def main():
    client = Client(port=int(sys.argv[1]))
    show('operations', sorted(client.operations))
    first = client.register(ttl_ms=60_000)
    show('register', [first.last, first.resumed, first.ttl_ms])
    show('put', first.request('put', {'color': 'blue'}))
    show('get', first.request('get'))

    lost = lose(client, 2)
    show('put whose reply is lost twice', first.request('put', {'color': 'red'}))
    show('replies lost, alike', [len(lost), lost[0] == lost[1]])
    show('get after it', first.request('get'))
    try:
        first.request('put', 7)
    except Failed as failed:
        show('put of no map', failed.status)

    client.disconnect()
    show('echo over a new connection', first.request('echo', ['a', 1, None]))
    again = client.register(first.id)
    show('register again', [again.number == first.number, again.last, again.resumed])

    second = client.register()
    second.request('echo', 1)
    third = client.register()
    show('told of the eviction', [again.ended, second.ended, third.ended])
    try:
        again.request('get')
    except Evicted as evicted:
        show('request after it', [evicted.reason, evicted.outcome_unknown])
    client.disconnect()
    show('the others go on', [second.request('echo', 2), third.request('echo', 3)])
    second.close()
    show('closed', second.ended)
    fresh = client.register(again.id)
    show('the same id anew', [fresh.number > again.number, fresh.last, fresh.resumed])


main()
