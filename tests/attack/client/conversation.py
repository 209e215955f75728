"""Recorded conversations: what the parties of one session said, in order, one message per step.

    operator: check --repository main
    controller: plan verify
      3: {  # plans
        1: signed "application/vnd.holdfast.plan.v1" by controller {  # envelopes
          1: $plan_1  # plan_id
    ...

Values that differ between sessions are placeholders (wire.py): `now` is the time in milliseconds, `sequence` an
ascending number, `previous` the hash of the sender's previous report, `plan_hash_1` the hash of the plan `plan_1`.
All others get their values when they are first received or sent."""

import hashlib
import itertools
import os
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from . import wire
from .envelope import FRESH, PLAN, REPORT, ROOT, SigningKey, sign
from .messages import agent_pb2, plan_pb2, trust_pb2

PAYLOADS = {
    ROOT: trust_pb2.RootDocument.DESCRIPTOR,
    PLAN: plan_pb2.Plan.DESCRIPTOR,
    FRESH: trust_pb2.Fresh.DESCRIPTOR,
    REPORT: plan_pb2.Report.DESCRIPTOR,
}
# Fields of type bytes that hold an envelope.
_ENVELOPES = {
    "holdfast.v1.HelloAnswer.fresh", "holdfast.v1.HelloAnswer.root", "holdfast.v1.Plans.envelopes",
    "holdfast.v1.Reports.envelopes", "holdfast.v1.JoinAnswer.root",
}
_SEQUENCES = {"holdfast.v1.Plan.sequence", "holdfast.v1.Fresh.latest_sequence"}
# An order to restore has the time that the snapshot's report had.
_SNAPSHOT_TIMES = {"holdfast.v1.Composed.time_ms", "holdfast.v1.RestoreOrder.time_ms"}
# Numbers in `_ms` fields that are this close to the time of the recording are timestamps.
_TIME_RANGE_MS = 10 * 366 * 24 * 3_600_000


@dataclass
class Step:
    speaker: str  # "agent", "controller" or "operator"
    what: str  # "hello", "plan backup"; for the operator: the command
    fields: wire.Fields


def name_of(message: Message) -> str:
    """The name of a message with at most one plan, report or task: "hello", "plan backup", "report composed"."""
    if isinstance(message, (agent_pb2.JoinToken, agent_pb2.JoinRequest, agent_pb2.JoinAnswer)):
        return {"JoinToken": "token", "JoinRequest": "join", "JoinAnswer": "join answer"}[message.DESCRIPTOR.name]
    kind = message.WhichOneof("message")
    if kind == "plans":
        return f"plan {payload_of(message.plans.envelopes[0], plan_pb2.Plan).WhichOneof('order')}"
    if kind == "reports":
        return f"report {payload_of(message.reports.envelopes[0], plan_pb2.Report).WhichOneof('outcome')}"
    if kind == "progress":
        return f"progress {agent_pb2.TaskState.Name(message.progress.tasks[0].state)}"
    return kind or "unknown"


def payload_of(envelope: bytes, kind: type[Message]) -> Message:
    return kind.FromString(trust_pb2.Envelope.FromString(envelope).payload)


def singles(message: Message) -> list[Message]:
    """Splits a message into messages with one plan, report or task each."""
    kind = message.WhichOneof("message")
    part = {"plans": "envelopes", "reports": "envelopes", "progress": "tasks"}.get(kind)
    if part is None:
        return [message]
    parts = []
    for one in getattr(getattr(message, kind), part):
        single = type(message)()
        getattr(getattr(single, kind), part).append(one)
        parts.append(single)
    return parts


def read(path: Path) -> list[Step]:
    steps = []
    for block in path.read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if lines:
            speaker, what = lines[0].split(": ", 1)
            steps.append(Step(speaker, what, wire.parse("\n".join(lines[1:]))))
    return steps


def write(path: Path, comment: str, steps: Iterable[Step]) -> None:
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    path.write_text(head + "".join(
        f"\n{step.speaker}: {step.what}\n{wire.to_text(step.fields, '  ')}" for step in steps))


class Recorder:
    """Turns messages into steps. `known` maps values to names of placeholders, `keys` maps key ids to names of signing
    keys, `texts` maps substrings of all text fields to their replacements."""

    def __init__(self, known: dict[bytes, str], keys: dict[bytes, str], texts: dict[str, str]):
        self._known: dict[bytes | int, wire.Placeholder] = {
            value: wire.Placeholder(name) for value, name in known.items()}
        self._keys = keys
        self._texts = texts
        self._counts: dict[str, itertools.count] = {}
        self._now_ms = 0
        self.steps: list[Step] = []

    def add(self, speaker: str, message: Message, now_ms: int | None = None) -> None:
        """`message` must be one of singles()."""
        self._now_ms = now_ms or int(1000 * time.time())
        self.steps.append(Step(speaker, name_of(message),
                               self._fields(message.DESCRIPTOR, message.SerializeToString())))

    def know(self, value: bytes, name: str) -> None:
        """From now on, `value` has the placeholder `name`."""
        self._known[value] = wire.Placeholder(name)

    def name(self, value: bytes | int, name: str) -> None:
        """From now on, `value` has a numbered placeholder, such as `plan_1` for the name `plan`."""
        if value and value not in self._known:
            number = next(self._counts.setdefault(name, itertools.count(1)))
            self._known[value] = wire.Placeholder(f"{name}_{number}")

    def _fields(self, descriptor: Descriptor, data: bytes) -> wire.Fields:
        if descriptor.full_name == "holdfast.v1.Plan":
            plan = plan_pb2.Plan.FromString(data)
            self.name(plan.plan_id, "plan")
            self.name(plan.run.encode(), "run")
            number = self._known[plan.plan_id].name.removeprefix("plan_")
            self._known[hashlib.sha256(data).digest()] = wire.Placeholder(f"plan_hash_{number}")
        if descriptor.full_name == "holdfast.v1.Report":
            report = plan_pb2.Report.FromString(data)
            self.name(report.saved.tree_id, "tree")
            self.name(report.composed.snapshot, "snapshot")
            self.name(report.composed.time_ms, "snapshot_time")
            self._known[report.previous] = wire.Placeholder("previous")
        fields = []
        for number, raw in wire.split(data):
            known = descriptor.fields_by_number.get(number)
            if known is None:
                fields.append(wire.Field(number, raw))
            else:
                fields.append(wire.Field(number, self._value(known, raw), known.name))
        return fields

    def _value(self, field: FieldDescriptor, raw):
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            return self._fields(field.message_type, raw)
        if field.full_name in _ENVELOPES:
            envelope = trust_pb2.Envelope.FromString(raw)
            signers = [self._keys[one.key_id] for one in envelope.signatures]
            return wire.Signed(envelope.payload_type, signers,
                               self._fields(PAYLOADS[envelope.payload_type], envelope.payload))
        if field.full_name in _SEQUENCES:
            return wire.Placeholder("sequence")
        if field.full_name in _SNAPSHOT_TIMES and raw in self._known:
            return self._known[raw]
        if isinstance(raw, int):
            is_time = abs(raw - self._now_ms) < _TIME_RANGE_MS and field.name.endswith("_ms")
            return wire.Placeholder("now", raw - self._now_ms) if is_time else raw
        if raw in self._known:
            return self._known[raw]
        if field.type != FieldDescriptor.TYPE_STRING:
            return raw
        text = raw.decode()
        for real, instead in self._texts.items():
            text = text.replace(real, instead)
        return text


def _new_value(kind: str) -> bytes | int:
    if kind == "snapshot_time":
        return int(1000 * time.time())
    if kind == "run":
        return "".join(random.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=25)).rjust(26, "0").encode()
    return os.urandom({"nonce": 16, "plan": 16, "secret": 32, "snapshot": 32, "tree": 32}[kind])


class Player:
    """Plays one recorded party and receives the messages of the other. `values` maps placeholders to values, `keys`
    maps names to signing keys. `schema` has the fields that the recorded party knew, as message and number."""

    def __init__(self, values: dict[str, bytes | int], keys: dict[str, SigningKey], schema: set[tuple[str, int]]):
        self.values = values
        self._keys = keys
        self._schema = schema
        self._sequence = int(1000 * time.time()) + 1_000_000
        self._previous = b""

    def say(self, step: Step) -> bytes:
        """The bytes of a recorded message, with this session's values."""
        return wire.encode(step.fields, self._lookup, self._sign)

    def _lookup(self, placeholder: wire.Placeholder) -> int | bytes:
        if placeholder.name == "now":
            return int(1000 * time.time()) + placeholder.offset
        if placeholder.name == "sequence":
            self._sequence += 1
            return self._sequence
        if placeholder.name == "previous":
            return self._previous
        if placeholder.name not in self.values:
            self.values[placeholder.name] = _new_value(placeholder.name.rpartition("_")[0])
        return self.values[placeholder.name]

    def _sign(self, signed: wire.Signed, payload: bytes) -> bytes:
        if signed.payload_type == REPORT:
            self._previous = hashlib.sha256(payload).digest()
        self._note_plan(signed, payload)
        return sign(signed.payload_type, payload, *(self._keys[name] for name in signed.signers))

    def _note_plan(self, signed: wire.Signed, payload: bytes) -> None:
        for one in signed.fields if signed.payload_type == PLAN else []:
            if one.number == 1 and isinstance(one.value, wire.Placeholder):
                self.values[one.value.name.replace("plan", "plan_hash")] = hashlib.sha256(payload).digest()

    def hear(self, step: Step, message: Message) -> None:
        """Takes values of placeholders from the message that the other party sent in place of the recorded one. Fails
        if the recorded party would not have understood it."""
        self._hear(step.fields, message.DESCRIPTOR, message.SerializeToString(), essential=False)

    def _hear(self, template: wire.Fields, descriptor: Descriptor, data: bytes, *, essential: bool) -> None:
        seen: dict[int, int] = {}
        expected: dict[int, list[wire.Field]] = {}
        for one in template:
            expected.setdefault(one.number, []).append(one)
        for number, raw in wire.split(data):
            is_checked = essential and number < 1000 and not descriptor.GetOptions().map_entry
            if is_checked and (descriptor.full_name, number) not in self._schema:
                raise AssertionError(
                    f"field {number} of {descriptor.full_name} is essential and not in the recorded schema")
            index = seen[number] = seen.get(number, -1) + 1
            known = expected.get(number, [])[index:index + 1]
            if known:
                self._hear_value(known[0], descriptor.fields_by_number[number], raw, essential=essential)
            elif essential and descriptor.fields_by_number[number].type == FieldDescriptor.TYPE_MESSAGE:
                self._hear([], descriptor.fields_by_number[number].message_type, raw, essential=True)

    def _hear_value(self, one: wire.Field, field: FieldDescriptor, raw, *, essential: bool) -> None:
        match one.value:
            case wire.Placeholder(name) if name not in ("now", "sequence", "previous"):
                self.values.setdefault(name, raw)
            case wire.Signed():
                envelope = trust_pb2.Envelope.FromString(raw)
                self._hear(one.value.fields, PAYLOADS[envelope.payload_type], envelope.payload, essential=True)
                self._note_plan(one.value, envelope.payload)
            case list():
                self._hear(one.value, field.message_type, raw, essential=essential)


def schema_of_today() -> set[tuple[str, int, str, str]]:
    """All fields of all messages: message, number, type, name."""
    fields = set()
    for file in (agent_pb2, plan_pb2, trust_pb2):
        for message in file.DESCRIPTOR.message_types_by_name.values():
            for one in message.fields:
                kind = one.message_type or one.enum_type
                label = "repeated " if one.label == FieldDescriptor.LABEL_REPEATED else ""
                type_name = kind.full_name if kind else _TYPES[one.type]
                fields.add((message.full_name, one.number, label + type_name, one.name))
    return fields


_TYPES = {number: name.removeprefix("TYPE_").lower() for name, number in vars(FieldDescriptor).items()
          if name.startswith("TYPE_")}


def every_message() -> list[Message]:
    """One message of each type with all of its fields set; for a oneof, one message per case."""
    messages = []
    for file in (agent_pb2, plan_pb2, trust_pb2):
        for name in sorted(file.DESCRIPTOR.message_types_by_name):
            kind = getattr(file, name)
            (cases,) = [oneof.fields for oneof in kind.DESCRIPTOR.oneofs] or [[None]]
            messages += [_filled(kind, case) for case in cases]
    return messages


def _filled(kind: type[Message], case: FieldDescriptor | None = None) -> Message:
    message = kind()
    for one in kind.DESCRIPTOR.fields:
        if one.containing_oneof is not None and one != (case or one.containing_oneof.fields[0]):
            continue
        target = getattr(message, one.name)
        if one.message_type is not None and one.message_type.GetOptions().map_entry:
            target["name"] = 1.5 if one.message_type.fields_by_name["value"].type == one.TYPE_DOUBLE else "value"
        elif one.message_type is not None:
            inner = _filled(one.message_type._concrete_class)
            target.append(inner) if one.label == one.LABEL_REPEATED else target.CopyFrom(inner)
        else:
            value = _sample(one)
            target.append(value) if one.label == one.LABEL_REPEATED else setattr(message, one.name, value)
    return message


def _sample(field: FieldDescriptor) -> "int | str | bytes | bool":
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return field.name
        case FieldDescriptor.TYPE_BYTES:
            return hashlib.sha256(field.name.encode()).digest()
        case FieldDescriptor.TYPE_BOOL:
            return True
        case FieldDescriptor.TYPE_ENUM:
            return 1
        case _:
            return 1000 + field.number


def write_messages(path: Path) -> None:
    path.write_text("".join(f"{message.DESCRIPTOR.name} {message.SerializeToString(deterministic=True).hex()}\n"
                            for message in every_message() if message.ByteSize()))


def write_schema(path: Path) -> None:
    path.write_text("".join(f"{message} {number} {kind}: {name}\n" for message, number, kind, name
                            in sorted(schema_of_today())))


def read_schema(path: Path) -> set[tuple[str, int, str, str]]:
    fields = set()
    for line in path.read_text().splitlines():
        head, name = line.split(": ")
        message, number, kind = head.split(" ", 2)
        fields.add((message, int(number), kind, name))
    return fields


def parsed(kind: type[Message], data: bytes) -> Message | None:
    try:
        return kind.FromString(data)
    except DecodeError:
        return None
