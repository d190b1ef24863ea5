"""Announces what changes in this Orthanc to the webhook of orthanc-mirror: identifiers only, in batches.

It shortens the delay of a mirror and tells deletions; what it cannot send, the schedule of the mirror finds anyway.
For the Python plugin of Orthanc 3.1 or newer, with the standard library only. Use it as "PythonScript", or import it
at the top of your own script, before that registers its callback: both are then called. All about it: docs/hooks.md
"""

import collections
import itertools
import json
import os
import random
import threading
import urllib.error
import urllib.request

import orthanc

# The three settings.
WEBHOOK_URL = 'https://example.invalid/announce'
MIRROR = 'main'
SECRET = 'file:/etc/orthanc/orthanc-mirror.secret'  # or 'env:NAME'; the first line is the secret

# Limits. An event is at most 106 bytes of JSON, and the webhook takes 500 events and 64 KiB.
BATCH_EVENTS = 500
GATHER_SECONDS = 0.2
MOST_NEWS = 20_000  # beyond, the oldest are forgotten: the schedule finds them
MOST_DELETIONS = 200_000
TIMEOUT_SECONDS = 3
LAST_TIMEOUT_SECONDS = 2  # of the one attempt while Orthanc stops
FIRST_WAIT_SECONDS = 2  # without an attempt, after a failure; doubles with each further one
LONGEST_WAIT_SECONDS = 300
STORE = 'orthanc-mirror-hook'  # of the key-value store that keeps unsent deletions

LEVELS = {
    orthanc.ResourceType.PATIENT: 'patients',
    orthanc.ResourceType.STUDY: 'studies',
    orthanc.ResourceType.SERIES: 'series',
    orthanc.ResourceType.INSTANCE: 'instances',
}

KINDS = {
    orthanc.ChangeType.NEW_INSTANCE: 'stored',
    orthanc.ChangeType.STABLE_PATIENT: 'stable',
    orthanc.ChangeType.STABLE_STUDY: 'stable',
    orthanc.ChangeType.STABLE_SERIES: 'stable',
    orthanc.ChangeType.UPDATED_ATTACHMENT: 'updated',
    orthanc.ChangeType.UPDATED_METADATA: 'updated',
    orthanc.ChangeType.DELETED: 'deleted',
}

Event = collections.namedtuple('Event', 'kind level id')


class Refused(Exception):
    """The webhook answered, but did not take the batch."""

    def __init__(self, status, retry_after_seconds=0):
        super().__init__('status %d' % status)
        self.retry_after_seconds = retry_after_seconds


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the secret to another address; it is a refusal instead."""

    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(NoRedirect)


def read_secret():
    """Returns the secret; raises OSError or KeyError when it cannot be read."""
    kind, _, place = SECRET.partition(':')
    if kind == 'env':
        return os.environ[place].strip()
    if kind == 'file':
        with open(place, encoding='ascii') as file:
            return file.readline().strip()
    return SECRET


def post(events, timeout_seconds):
    """Sends one batch. Raises Refused, OSError or ValueError when the webhook did not take the whole of it."""
    body = {'v': 1, 'mirror': MIRROR, 'events': [event._asdict() for event in events]}
    headers = {'Content-Type': 'application/json', 'X-Orthanc-Mirror-Secret': read_secret()}
    request = urllib.request.Request(WEBHOOK_URL, json.dumps(body).encode('ascii'), headers)
    try:
        with opener.open(request, timeout=timeout_seconds) as response:
            answer = json.loads(response.read(65_536))
    except urllib.error.HTTPError as error:
        raise Refused(error.code, retry_after_in(error.headers)) from None
    if not isinstance(answer, dict) or answer.get('v') != 1 or answer.get('accepted') != len(events):
        raise ValueError('the answer is not one of the webhook')


def retry_after_in(headers):
    text = headers.get('Retry-After', '')
    return int(text) if text.isdigit() else 0


class KeptDeletions:
    """Unsent deletions in Orthanc's own database: from plugin 6.0 on, with SQLite or PostgreSQL. Else does nothing."""

    def __init__(self):
        self.available = hasattr(orthanc, 'CreateKeysValuesIterator')

    def keep(self, event):
        self._attempt(lambda: orthanc.StoreKeyValue(STORE, self._key(event), b'1'))

    def forget(self, event):
        self._attempt(lambda: orthanc.DeleteKeyValue(STORE, self._key(event)))

    def unsent(self):
        """Returns the deletions that an earlier run could not send."""
        return self._attempt(lambda: [Event('deleted', *key.split('/')) for key in self._keys()]) or []

    @staticmethod
    def _key(event):
        return event.level + '/' + event.id

    @staticmethod
    def _keys():
        iterator = orthanc.CreateKeysValuesIterator(STORE)
        while iterator.Next():
            yield iterator.GetKey()

    def _attempt(self, action):
        """A database without key-value stores raises at the first use: deletions are then kept in memory only."""
        if not self.available:
            return None
        try:
            return action()
        except orthanc.OrthancException as error:
            self.available = False
            orthanc.LogWarning('orthanc-mirror: unsent deletions do not survive a restart: %s' % error)
            return None


class Outbox:
    """What waits to be announced, each thing once. Safe to use from several threads."""

    def __init__(self):
        self._changed = threading.Condition()
        self._news = collections.OrderedDict()
        self._deletions = collections.OrderedDict()
        self._kept = KeptDeletions()
        self.stopping = False

    def restore(self):
        with self._changed:
            for event in self._kept.unsent():
                self._deletions[event] = None
            self._changed.notify()

    def add(self, event):
        with self._changed:
            if event.kind == 'deleted':
                self._add_deletion(event)
            else:
                self._news[event] = None
                if len(self._news) > MOST_NEWS:
                    self._news.popitem(last=False)
            self._changed.notify()

    def _add_deletion(self, event):
        self._kept.keep(event)
        self._deletions[event] = None
        if len(self._deletions) > MOST_DELETIONS:
            oldest, _ = self._deletions.popitem(last=False)
            self._kept.forget(oldest)

    def take_batch(self):
        """Returns the next events, deletions first, because nothing but this hook tells them soon.

        They are out of the queue until `put_back`, so that the same thing happening again meanwhile is announced again.
        """
        with self._changed:
            events = list(itertools.islice(itertools.chain(self._deletions, self._news), BATCH_EVENTS))
            for event in events:
                del self._queue_of(event)[event]
            return events

    def put_back(self, events):
        with self._changed:
            for event in reversed(events):
                queue = self._queue_of(event)
                queue[event] = None
                queue.move_to_end(event, last=False)

    def acknowledge(self, events):
        with self._changed:
            for event in events:
                if event.kind == 'deleted' and event not in self._deletions:
                    self._kept.forget(event)

    def _queue_of(self, event):
        return self._deletions if event.kind == 'deleted' else self._news

    def sizes(self):
        with self._changed:
            return len(self._deletions), len(self._news)

    def wait_for_events(self):
        """Returns when something waits and a moment has passed for more to come, or when Orthanc stops."""
        with self._changed:
            self._changed.wait_for(lambda: self.stopping or self._deletions or self._news)
            self._changed.wait_for(self._is_full_or_stopping, timeout=GATHER_SECONDS)

    def wait_before_next_attempt(self, seconds):
        with self._changed:
            self._changed.wait_for(lambda: self.stopping, timeout=seconds)

    def _is_full_or_stopping(self):
        return self.stopping or len(self._deletions) + len(self._news) >= BATCH_EVENTS

    def stop(self):
        with self._changed:
            self.stopping = True
            self._changed.notify()


class Sender(threading.Thread):
    """Sends what waits, one batch after the other, and waits longer with each failure."""

    def __init__(self, outbox):
        super().__init__(name='orthanc-mirror', daemon=True)
        self._outbox = outbox
        self._failures = 0

    def run(self):
        self._outbox.restore()
        while not self._outbox.stopping:
            self._outbox.wait_for_events()
            if not self._outbox.stopping:
                self._send(TIMEOUT_SECONDS)
        self._send(LAST_TIMEOUT_SECONDS)

    def _send(self, timeout_seconds):
        events = self._outbox.take_batch()
        if not events:
            return
        try:
            post(events, timeout_seconds)
        except Exception as failure:  # whatever it is, the next attempt may succeed
            self._outbox.put_back(events)
            self._pause_after(failure)
            return
        self._failures = 0
        self._outbox.acknowledge(events)

    def _pause_after(self, failure):
        self._failures += 1
        longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(self._failures - 1, 10))
        seconds = max(longest * random.uniform(0.5, 1), getattr(failure, 'retry_after_seconds', 0))
        # The text of a failure may hold what was sent (an invalid header is quoted): only its kind is told.
        reason = str(failure) if isinstance(failure, Refused) else type(failure).__name__
        orthanc.LogWarning(
            'orthanc-mirror: the webhook did not take a batch (%s); %d deletions and %d others wait, next attempt in %d s'
            % (reason, *self._outbox.sizes(), seconds)
        )
        self._outbox.wait_before_next_attempt(seconds)


class Dispatcher:
    """The one callback of the plugin: announces, then calls the callback of another script."""

    def __init__(self):
        self._outbox = Outbox()
        self._sender = Sender(self._outbox)
        self._callback_of_others = None

    def install(self):
        """The plugin takes one callback only, so ours takes that place, and further registrations come to us."""
        register = orthanc.RegisterOnChangeCallback
        register(self._on_change)
        orthanc.RegisterOnChangeCallback = self._chain

    def _chain(self, callback):
        if self._callback_of_others is not None:
            raise ValueError('Can only register one Python changes callback besides the one of orthanc-mirror')
        self._callback_of_others = callback

    def _on_change(self, change, level, resource):
        self._announce(change, level, resource)
        if self._callback_of_others is not None:
            self._callback_of_others(change, level, resource)

    def _announce(self, change, level, resource):
        if change == orthanc.ChangeType.ORTHANC_STARTED:
            self._sender.start()
        elif change == orthanc.ChangeType.ORTHANC_STOPPED:
            self._outbox.stop()
            if self._sender.is_alive():
                self._sender.join(TIMEOUT_SECONDS + LAST_TIMEOUT_SECONDS + 1)
        elif change in KINDS and level in LEVELS:
            self._outbox.add(Event(KINDS[change], LEVELS[level], resource))


Dispatcher().install()
