"""Random messages of a type: each field may be missing, plausible, extreme or hostile."""

import random

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_MIB = 1 << 20
_TEXTS = ("", "x", "files/app", "db-1", "files/app@db-1", "latest:files/app@db-1", "*/*", "/*@*", ":", "run:::", "@",
          "kind/name@", "01HF7777777777777777777777", "2/7", "100%", "\u202e\x1b[2J\x9b2J", "a\n b", "%00", "../../etc",
          "tcp://127.0.0.1:1", "a" * 300, "b" * 70_000)
_BYTES = (b"", b"12345", bytes(16), bytes(32), b"x" * 33, b"x" * 70_000)
_UNSIGNED = (0, 1, 2, 20, (1 << 31) - 1, (1 << 32) - 1)
_LONG = (1 << 53, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_SIGNED = (0, 1, -1, 1_700_000_000_000, 1 << 62, -(1 << 63))


class RandomMessages:
    """The same seed gives the same messages. `known` are more values to choose from, by the name of the field."""

    def __init__(self, seed: int):
        self._random = random.Random(seed)
        self.known: dict[str, list] = {}

    def choice(self, values):
        return self._random.choice(values)

    def garbage(self, size: int) -> bytes:
        return self._random.randbytes(self._random.randrange(size))

    def is_lucky(self, probability: float) -> bool:
        return self._random.random() < probability

    def fill(self, message: Message, size: int = _MIB // 2) -> Message:
        """Sets random fields. Adds nothing more when the message has about `size` bytes."""
        for field in message.DESCRIPTOR.fields:
            if self.is_lucky(0.3) or message.ByteSize() > size:
                continue
            target = getattr(message, field.name)
            count = self.choice((0, 1, 3, 25)) if field.label == FieldDescriptor.LABEL_REPEATED else 1
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                self._fill_map(target, field.message_type, count)
            elif field.message_type is not None and field.label == FieldDescriptor.LABEL_REPEATED:
                for _ in range(count):
                    self.fill(target.add(), size // 4)
            elif field.message_type is not None:
                target.SetInParent()
                self.fill(target, size)
            elif field.label == FieldDescriptor.LABEL_REPEATED:
                target.extend(self._value(field) for _ in range(count))
            else:
                setattr(message, field.name, self._value(field))
        return message

    def _fill_map(self, target, entry, count: int) -> None:
        for _ in range(count):
            target[self._value(entry.fields_by_name["key"])] = self._value(entry.fields_by_name["value"])

    def _value(self, field: FieldDescriptor):
        if field.name in self.known and self.is_lucky(0.5):
            return self.choice(self.known[field.name])
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                return self.choice(_TEXTS)
            case FieldDescriptor.TYPE_BYTES:
                return self.choice(_BYTES)
            case FieldDescriptor.TYPE_BOOL:
                return self.is_lucky(0.5)
            case FieldDescriptor.TYPE_ENUM:
                return self.choice((0, 1, 2, 9, 30))
            case FieldDescriptor.TYPE_DOUBLE:
                return self.choice((0.0, -1.0, 1e300, float("nan")))
            case FieldDescriptor.TYPE_INT64:
                return self.choice(_SIGNED)
            case FieldDescriptor.TYPE_UINT64:
                return self.choice(_UNSIGNED + _LONG)
            case _:
                return self.choice(_UNSIGNED)
