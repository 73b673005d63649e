"""A small client for sessile, written from docs/protocol.md alone.

It needs Python 3.8 and the package msgpack (Debian: python3-msgpack):

    with Client('127.0.0.1', 7377) as client:
        session = client.register(ttl_ms=60_000)
        session.request('put', {'color': 'blue'})
        version, data = session.request('get')

Everything blocks, and one thread uses a client at a time. A request whose answer is lost is sent
again with the same number and the same bytes, so that the server executes it once.
"""
import os
import random
import socket
import time

import msgpack

HELLO, REGISTER, REQUEST, CLOSE = 0, 1, 2, 3
WELCOME, REGISTERED, REPLY, EVICTION, PONG, RESULT, ERROR = range(16, 23)
STATUSES = ('ok', 'failed', 'conflict', 'unknown_operation', 'invalid_body', 'too_large')
# Errors after which the same frame is sent again, and those that more trying does not mend.
PASSING = ('server_busy', 'request_in_flight', 'rate_limited', 'shutting_down')
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
    """The request was executed and committed, with a status other than ok."""

    def __init__(self, status, body):
        self.status = STATUSES[status] if status < len(STATUSES) else str(status)
        super().__init__(f'{self.status}: {body!r}')
        self.body = body


class Evicted(SessileError):
    """The session is over. `outcome_unknown`: an open request may have been executed before."""

    def __init__(self, reason, outcome_unknown=False):
        super().__init__(f'the session has ended: {reason}')
        self.reason, self.outcome_unknown = reason, outcome_unknown


class OutcomeUnknown(SessileError):
    """No answer came in all attempts. The session settles the request before its next one."""


class TryAgain(Exception):
    """A refusal that may pass."""


class Client:
    """One connection, which is made anew when it is lost."""

    def __init__(self, host='127.0.0.1', port=7377, timeout=5.0, attempts=8):
        self.address, self.timeout, self.attempts = (host, port), timeout, attempts
        self.operations, self.limits = {}, {}
        self._socket = self._unpacker = None
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

    def disconnect(self):
        """Closes the connection; sessions live on in the server."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def register(self, client_id=None, **options):
        """Opens a session, or finds the live one of this id. The only option now is `ttl_ms`."""
        client_id = client_id or os.urandom(16)

        def settle(message):
            if message[0] == REGISTERED and message[1] == client_id:
                return message
            raise_refusal(message, client_id, None)
            return None

        message, _ = self.exchange(encode([REGISTER, client_id, options]), settle)
        self._sessions[client_id] = Session(self, *message[1:])
        return self._sessions[client_id]

    def exchange(self, frame, settle):
        """Sends a frame until `settle` returns something else than None for what comes back.

        Returns that, and how often the frame was sent.
        """
        for attempt in range(self.attempts):
            if attempt > 0:
                pause = min(PAUSE_MAX, PAUSE_MIN * 2 ** (attempt - 1))
                time.sleep(pause * random.uniform(0.5, 1))
            try:
                if self._socket is None:
                    self.connect()
                self._socket.sendall(frame)
                while True:
                    answer = settle(self.receive())
                    if answer is not None:
                        return answer, attempt + 1
            except TryAgain:
                continue
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
    """A session: numbered requests, one at a time. `Client.register` makes them."""

    def __init__(self, client, client_id, number, last, about):
        self.client, self.id, self.number, self.last = client, client_id, number, last
        self.resumed, self.ttl_ms = about['resumed'], about['ttl_ms']
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
        status, body = message[4:]
        if status != 0:
            raise Failed(status, body)
        return body

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


def raise_refusal(message, client_id, number):
    """Raises what an error about this id and number says; other messages are let pass."""
    if message[0] != ERROR or message[3:5] != [client_id, number]:
        return
    if message[1] in PASSING:
        raise TryAgain()
    raise Refused(message[1], message[2], message[5])


def encode(message):
    """A frame: the length of the message in the 5-byte form, and the message."""
    body = msgpack.packb(message, use_bin_type=True)
    return b'\xce' + len(body).to_bytes(4, 'big') + body
