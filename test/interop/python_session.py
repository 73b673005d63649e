"""Drives the Python example against the server on the port given; prints a JSON line per step.

The server has places for two sessions.
"""
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / 'examples' / 'python'))
from sessile_client import Client, Conflict, Evicted, Failed, Refused  # noqa: E402


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


def data(client):
    """Options of a register, operations on data and calls, in a server of two places."""
    session = client.register(rate=[1000, 1000], capabilities=['fly'], data={'n': 1, 'x': [2]})
    show('granted', [session.rate, session.capabilities, session.ttl_ms])
    show('first data', session.get())
    show('increment', session.increment('n', 4))
    show('merge', session.merge(x=None, y='z'))
    try:
        session.put_if(1, {})
    except Conflict as conflict:
        show('conflict', conflict.version)
    show('put_if', session.put_if(3, {'n': 5}))
    try:
        session.batch(['increment', ['n', 1]], ['increment', ['n', 'one']])
    except Failed as failed:
        show('batch of which one fails', [failed.status, failed.body[0]])
    show('batch', session.batch(['increment', ['n', 1]], ['get', None]))
    session.set_ttl(None)
    session.touch()
    show('peek', session.peek())
    info = session.info()
    show('info', [info['ttl_ms'], info['version'], info['request'] == session.last])
    again = client.register(session.id, ttl_ms=5, data={})
    show('nothing changed', [again.ttl_ms, again.get()])
    try:
        client.register(rate=[0, 1])
    except Refused as refused:
        show('refused', refused.code)

    limited = client.register(rate=[2, 1])
    show('one after the other', [limited.increment('n'), limited.increment('n')])
    try:
        limited.call('echo')
    except Refused as refused:
        show('call too soon', [refused.code, refused.details['retry_after_ms'] <= 500])
    show('listed', [len(list(client.sessions(limit=1))), client.call('stats')['sessions']])
    show('inspected', client.call('inspect', {'id': limited.id})['rate'])
    show('removed', [client.call('remove', {'id': limited.id}) for _ in range(2)])
    show('told', limited.ended)
    bound = client.register(scope='connection')
    client.disconnect()
    try:
        while True:  # the server may be told of the end of a connection a little later
            bound.request('echo')
    except Evicted as evicted:
        show('its connection ended', evicted.reason)
    brief = client.register(ttl_ms=1)
    time.sleep(0.1)
    try:
        brief.get()
    except Evicted as evicted:
        show('idle for too long', evicted.reason)


def main():
    if sys.argv[2] == 'data':
        data(Client(port=int(sys.argv[1])))
        return
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
