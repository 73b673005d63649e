"""A small client for sessile, written from docs/protocol.md alone.

It needs Python 3.8 and the package msgpack (Debian: python3-msgpack):

    with Client('127.0.0.1', 7377) as client:
        session = client.register(ttl_ms=60_000, data={'color': 'blue'})
        session.increment('visits')
        version, data = session.get()

Everything blocks, and one thread uses a client at a time. A request whose answer is lost is sent
again with the same number and the same bytes, so that the server executes it once. A call has no
number: it is sent once, and if its answer is lost, its outcome is unknown.
"""
import os
import random
import socket
import time

import msgpack

HELLO, REGISTER, REQUEST, CLOSE, PING, CALL = range(6)
WELCOME, REGISTERED, REPLY, EVICTION, PONG, RESULT, ERROR = range(16, 23)
STATUSES = ('ok', 'failed', 'conflict', 'unknown_operation', 'invalid_body', 'too_large')
# Errors after which the same frame is sent again, and those that more trying does not mend.
PASSING = ('server_busy', 'request_in_flight', 'shutting_down')
MISTAKES = ('malformed_frame', 'frame_too_large', 'unsupported_version', 'hello_required',
            'unauthorized')
PAUSE_MIN, PAUSE_MAX = 0.05, 2.0


class SessileError(Exception):
    """The root of what this client raises."""


class Refused(SessileError):
    """The server refused a frame; nothing was executed. `code` says why."""

    def __init__(self, code, text, details=None):
        super().__init__(f'{code}: {text}')
        self.code, self.details = code, details or {}


class Failed(SessileError):
    """The request or call was executed, with a status other than ok."""

    def __init__(self, status, body):
        self.status = STATUSES[status] if status < len(STATUSES) else str(status)
        super().__init__(f'{self.status}: {body!r}')
        self.body = body


class Conflict(Failed):
    """The data has another version than expected: `version`."""

    @property
    def version(self):
        return self.body


class Evicted(SessileError):
    """The session is over. `outcome_unknown`: an open request may have been executed before."""

    def __init__(self, reason, outcome_unknown=False):
        super().__init__(f'the session has ended: {reason}')
        self.reason, self.outcome_unknown = reason, outcome_unknown


class OutcomeUnknown(SessileError):
    """No answer came in all attempts. The session settles the request before its next one."""


class TryAgain(Exception):
    """A refusal that may pass, if it says so after a number of seconds."""

    def __init__(self, after=None):
        super().__init__()
        self.after = after


class Client:
    """One connection, which is made anew when it is lost."""

    def __init__(self, host='127.0.0.1', port=7377, timeout=5.0, attempts=8):
        self.address, self.timeout, self.attempts = (host, port), timeout, attempts
        self.operations, self.limits, self.capabilities = {}, {}, []
        self._socket = self._unpacker = None
        self._correlation = 0
        self._sessions = {}  # by id, to tell them of evictions that come unasked
        self.connect()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.disconnect()

    def connect(self):
        """Opens the connection and says hello. `exchange` does it when there is none."""
        self._socket = socket.create_connection(self.address, self.timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
        self._socket.sendall(encode([HELLO, 1, {'client': 'python example'}]))
        _, _, about = self.receive()
        self.operations, self.limits = about['operations'], about['limits']
        self.capabilities = about['capabilities']

    def disconnect(self):
        """Closes the connection; sessions live on in the server, but for scope='connection'."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def register(self, client_id=None, **options):
        """Opens a session, or finds the live one of this id, which the options do not change.

        Options: ttl_ms (None: for ever), rate (per_second, burst), scope ('connection'),
        capabilities (a list of names), data (the first data, a dict).
        """
        client_id = client_id or os.urandom(16)

        def settle(message):
            if message[0] == REGISTERED and message[1] == client_id:
                return message
            raise_refusal(message, client_id, None)
            return None

        message, _ = self.exchange(encode([REGISTER, client_id, options]), settle)
        self._sessions[client_id] = Session(self, *message[1:])
        return self._sessions[client_id]

    def call(self, operation, body=None, client_id=None):
        """Executes an operation without a number: of a session, or of the server itself.

        The server's own are stats, list, inspect, remove and sweep.
        """
        self._correlation = correlation = (self._correlation + 1) % 2**32
        if client_id is not None:
            operation = self.operations[operation]
        frame = encode([CALL, correlation, client_id, operation, body])
        if self._socket is None:
            self.connect()
        try:
            self._socket.sendall(frame)
            while True:
                message = self.receive()
                raise_refusal(message, None, correlation, passing=())
                if message[0] == RESULT and message[1] == correlation:
                    return result_of(*message[2:])
        except OSError as error:
            self.disconnect()
            raise OutcomeUnknown('the answer to the call was lost') from error

    def sessions(self, **filters):
        """Yields an entry for each live session. Filters are prefix, age_ms_min, idle_ms_min."""
        cursor = None
        while True:
            page = self.call('list', {**filters, 'cursor': cursor})
            yield from page['sessions']
            cursor = page['cursor']
            if cursor is None:
                return

    def exchange(self, frame, settle):
        """Sends a frame until `settle` returns something else than None for what comes back.

        Returns that, and how often the frame was sent.
        """
        after = None
        for attempt in range(self.attempts):
            if attempt > 0:
                pause = min(PAUSE_MAX, PAUSE_MIN * 2 ** (attempt - 1))
                time.sleep(pause * random.uniform(0.5, 1) if after is None else after)
            after = None
            try:
                if self._socket is None:
                    self.connect()
                self._socket.sendall(frame)
                while True:
                    answer = settle(self.receive())
                    if answer is not None:
                        return answer, attempt + 1
            except TryAgain as refusal:
                after = refusal.after
            except OSError:  # timeouts too: the next attempt goes over a new connection
                self.disconnect()
        raise OutcomeUnknown(f'no answer in {self.attempts} attempts')

    def receive(self):
        """Waits for the next message of the server. The stream is length, array, length, array."""
        while True:
            for value in self._unpacker:
                if isinstance(value, list):
                    return self._checked(value)
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError('the server closed the connection')
            self._unpacker.feed(data)

    def _checked(self, message):
        """Sees to what concerns the connection, or a session that did not ask."""
        kind = message[0]
        if not WELCOME <= kind <= ERROR:
            self.disconnect()
            raise SessileError(f'the server sent a frame of kind {kind}')
        if kind == EVICTION:
            session = self._sessions.get(message[1])
            if session is not None and session.number == message[2]:
                session.ended = message[3]
                del self._sessions[message[1]]
        if kind == ERROR and message[3] is None and message[4] is None:
            self.disconnect()
            if message[1] in MISTAKES:
                raise Refused(message[1], message[2])
            raise ConnectionError(message[2])
        return message


class Session:
    """A session: numbered requests, one at a time. `Client.register` makes them.

    The methods below `close` are the operations of the server's own service.
    """

    def __init__(self, client, client_id, number, last, about):
        self.client, self.id, self.number, self.last = client, client_id, number, last
        self.resumed, self.ttl_ms = about['resumed'], about['ttl_ms']
        self.rate, self.capabilities = about['rate'], about['capabilities']
        self.ended = None
        self._open = None  # the frame of a request whose outcome is not known
        self._in_doubt = False  # it may have been executed although no answer came

    def request(self, operation, body=None):
        """Executes an operation once and returns its result."""
        if self._open is not None:
            try:
                self._settle()
            except (Failed, Refused):
                pass  # settled as well; how is no concern of this request
        if self.ended is not None:
            raise Evicted(self.ended)
        number = self.client.operations[operation]
        self._open = encode([REQUEST, self.id, self.number, self.last + 1, number, body])
        self._in_doubt = False
        return self._settle()

    def close(self):
        """Ends the session. To close one that has ended does nothing."""
        if self.ended is None:
            self.client.exchange(encode([CLOSE, self.id, self.number]), self._closed)

    def call(self, operation, body=None):
        """Executes an operation without a number; if it is sent twice, it is executed twice."""
        if self.ended is not None:
            raise Evicted(self.ended)
        try:
            return self.client.call(operation, body, self.id)
        except Refused as refused:
            if refused.code not in ('no_session', 'expired'):
                raise
            self.ended = refused.code
            raise Evicted(refused.code) from None

    def get(self):
        """Returns the version and the data. It is a call: nothing is lost if it is repeated."""
        return tuple(self.call('get'))

    def peek(self):
        """As `get`, but does not keep the session alive."""
        return tuple(self.call('peek'))

    def info(self):
        return self.call('info')

    def touch(self):
        self.call('touch')

    def set_ttl(self, ttl_ms):
        """Milliseconds that the session lives idle; None: for ever."""
        self.call('set_ttl', ttl_ms)
        self.ttl_ms = ttl_ms

    def put(self, data):
        """Replaces the data and returns its version."""
        return self.request('put', data)

    def put_if(self, version, data):
        """Replaces the data if it has this version; raises Conflict if it has another."""
        return self.request('put_if', [version, data])

    def merge(self, **fields):
        """Sets fields of the data; None removes one. Returns the version."""
        return self.request('merge', fields)

    def increment(self, field, delta=1):
        return self.request('increment', [field, delta])

    def batch(self, *operations):
        """Executes several (operation, body) in one commit, all or none; returns their results."""
        return self.request('batch', operations)

    def _settle(self):
        """Sends the open request until its answer has come."""
        try:
            message, times = self.client.exchange(self._open, self._answer)
        except Refused:
            self._open = None  # not executed: the number is free
            raise
        except OutcomeUnknown:
            self._in_doubt = True
            raise
        self._open = None
        if message[0] == EVICTION:
            raise Evicted(message[3], self._in_doubt or times > 1)
        self.last += 1
        return result_of(*message[4:])

    def _answer(self, message):
        raise_refusal(message, self.id, self.last + 1)
        if message[0] == REPLY and message[1:4] == [self.id, self.number, self.last + 1]:
            return message
        return message if self._is_over(message) else None

    def _closed(self, message):
        raise_refusal(message, self.id, None)
        return message if self._is_over(message) else None

    def _is_over(self, message):
        return message[0] == EVICTION and message[1:3] == [self.id, self.number]


def raise_refusal(message, client_id, number, passing=PASSING):
    """Raises what an error about this id and number says; other messages are let pass."""
    if message[0] != ERROR or message[3:5] != [client_id, number]:
        return
    code, details = message[1], message[5] or {}
    if code in passing:
        raise TryAgain()
    if passing and code == 'rate_limited' and details['retry_after_ms'] is not None:
        raise TryAgain(details['retry_after_ms'] / 1000)
    raise Refused(code, message[2], details)


def result_of(status, body):
    """The body of a reply or result, if its status is ok."""
    if status == 0:
        return body
    raise (Conflict if STATUSES[status:status + 1] == ('conflict',) else Failed)(status, body)


def encode(message):
    """A frame: the length of the message in the 5-byte form, and the message."""
    body = msgpack.packb(message, use_bin_type=True)
    return b'\xce' + len(body).to_bytes(4, 'big') + body
