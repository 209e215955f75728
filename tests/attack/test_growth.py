"""Forward compatibility: today's programs talk to programs of a later version. They ignore unknown extensions and
refuse other unknown content with a clear message. No message of a later version blocks the messages after it."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from client import (
    ORDERS,
    ROOT,
    AgentClient,
    ControllerClient,
    SigningKey,
    add_unknown,
    agent_pb2,
    join,
    plan_pb2,
    sign,
    trust_pb2,
)
from client.messages import field
from lib import Case, main, wait_until
from lib.cluster import Cluster

# Unused numbers of fields, roles and kinds of order. A reader may ignore unknown fields only from 1000 on.
_EXTENSION = 1000
_NEW_FIELD = 900
_NEW_ORDER = 40
_NEW_OUTCOME = 60
_NEW_ROLE = 7
_NEW_ORDER_KIND = 30
_FILES = ("files/app", "main", "local")


class AgentOfALaterVersion(Case):
    """A test agent and a real controller."""

    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()

    def token(self, node: str = "db-1") -> str:
        return self.cluster.call("agent", "token", node, operator=True).stdout

    def agent(self, **options) -> AgentClient:
        agent = join(self.token(), **options)
        self.assertIsInstance(agent, AgentClient, agent)
        self.addCleanup(agent.close)
        return agent

    def connected_agent(self, capabilities: list[str] | None = None) -> AgentClient:
        agent = self.agent()
        agent.hello(_FILES, capabilities=ORDERS if capabilities is None else capabilities)
        return agent

    def verify(self) -> str:
        """Starts a run with a single `verify` order. Returns the run's id."""
        return self.cluster.json("check", "--repository", "main", "--no-wait")["runs"][0]["run"]

    def backup(self, agent: AgentClient) -> str:
        """Runs a backup without content. Returns the id of its snapshot."""
        run = self.cluster.json("backup", "files/app@db-1", "--no-wait")["runs"][0]["run"]
        snapshot = os.urandom(32)
        agent.report(agent.next_plan("backup"), source="files/app", repository="main",
                     composed=plan_pb2.Composed(snapshot=snapshot, host="db-1", time_ms=int(1000 * time.time())))
        self.assertEqual(self.cluster.wait_for_end(run)["state"], "done")
        return snapshot.hex()

    def test_a_join_request_with_an_unknown_essential_field_is_refused_with_a_message(self) -> None:
        def change(request) -> None:
            request.version = "99.0"
            add_unknown(request, _NEW_FIELD)

        refusal = join(self.token(), change=change)

        self.assertIsInstance(refusal, str)
        self.assertIn("99.0", refusal)
        self.assertIn(f"unknown field {_NEW_FIELD}", refusal)
        self.assertIn("upgrade the controller", refusal)

    def test_a_join_request_may_have_extensions(self) -> None:
        agent = self.agent(change=lambda request: add_unknown(request, _EXTENSION))

        answer = agent.hello(_FILES, capabilities=ORDERS)

        self.assertTrue(answer.fresh)
        self.assertTrue(answer.version)
        self.assertIn("verify", answer.capabilities)

    def test_unknown_messages_and_fields_on_the_bus_are_ignored(self) -> None:
        agent = self.agent()

        agent.hello(_FILES, capabilities=[*ORDERS, "order of tomorrow"],
                    change=lambda hello: add_unknown(hello, _NEW_FIELD))
        unknown = agent_pb2.AgentMessage()
        add_unknown(unknown, _NEW_FIELD, b"a message of tomorrow")
        agent.send(unknown)
        run = self.verify()
        plan = agent.next_plan("verify")
        agent.report(plan, verify=plan_pb2.VerifyResult(sound=True))

        self.assertEqual(self.cluster.wait_for_end(run)["state"], "done")

    def test_a_report_with_an_extension_is_accepted(self) -> None:
        agent = self.connected_agent()
        run = self.verify()

        def change(report) -> None:
            add_unknown(report, _EXTENSION)
            add_unknown(report.verify, _EXTENSION)

        agent.report(agent.next_plan("verify"), change=change, verify=plan_pb2.VerifyResult(sound=True))

        self.assertEqual(self.cluster.wait_for_end(run)["state"], "done")

    def test_a_report_that_the_controller_does_not_understand_fails_its_task_and_blocks_nothing(self) -> None:
        agent = self.connected_agent()
        cases = {
            "an unknown outcome": {"tail": field(_NEW_OUTCOME, b"")},
            "an unknown field": {"tail": field(_NEW_FIELD, b"?"), "verify": plan_pb2.VerifyResult(sound=True)},
            "an unknown field of the outcome": {
                "change": lambda report: add_unknown(report.verify, _NEW_FIELD),
                "verify": plan_pb2.VerifyResult(sound=True)},
            "text that is not UTF-8": {
                "tail": field(25, field(7, b"\xff"))},
        }
        for what, options in cases.items():
            with self.subTest(what):
                run = self.verify()
                sequence = agent.report(agent.next_plan("verify"), **options)

                ended = self.cluster.wait_for_end(run)
                self.assertEqual(ended["state"], "failed")
                self.assertIn("cannot read", ended["tasks"][0]["error"]["message"])
                agent.wait_until_taken(sequence)
        run = self.verify()
        agent.report(agent.next_plan("verify"), verify=plan_pb2.VerifyResult(sound=True))
        self.assertEqual(self.cluster.wait_for_end(run)["state"], "done")

    def test_an_agent_gets_only_orders_that_it_supports(self) -> None:
        agent = self.connected_agent()
        snapshot = self.backup(agent)
        agent.hello(_FILES, capabilities=["verify"])

        refused = self.cluster.call("backup", "files/app@db-1", expect=None)

        self.assertNotEqual(refused.code, 0)
        self.assertIn('the agent on "db-1", version "test", does not support the order "backup"', refused.stderr)
        self.assertIn("upgrade holdfast-agent on db-1", refused.stdout + refused.stderr)
        restore = self.cluster.call(
            "restore", snapshot, "--node", "db-1", "--into", "staging/x", "--yes", operator=True, expect=None)
        self.assertNotEqual(restore.code, 0)
        self.assertIn('does not support the order "restore"', restore.stderr)
        (warning,) = self.cluster.state_of("db-1")["warnings"]
        self.assertIn("does not support these orders: backup, cut,", warning)
        run = self.verify()
        agent.report(agent.next_plan("verify"), verify=plan_pb2.VerifyResult(sound=True))
        self.assertEqual(self.cluster.wait_for_end(run)["state"], "done")


class ControllerOfALaterVersion(Case):
    """A test controller with the keys of the real one, and a real agent."""

    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster(self.directory).start()
        data = self.directory / "data"
        data.mkdir()
        (data / "a").write_text("data\n")
        self.cluster.add("db-1", [{"kind": "files", "name": "app", "paths": [str(data)]}])
        self.controller = ControllerClient.in_place_of(self.cluster)
        self.addCleanup(self.controller.close)

    def probe_with(self, **options) -> trust_pb2.Envelope:
        """Sends a probe and returns the report."""
        plan = self.controller.plan("db-1", order_name="probe", probe=plan_pb2.ProbeOrder())
        self.controller.send_plan("db-1", plan, **options)
        return self.controller.report_of("db-1")

    def test_answers_may_have_extensions(self) -> None:
        def change(answer) -> None:
            add_unknown(answer, _NEW_FIELD)  # not signed, so never essential
            answer.capabilities.extend([*ORDERS, "order of tomorrow"])

        self.controller.answer(self.controller.hello_of("db-1"), change=change,
                               change_fresh=lambda fresh: add_unknown(fresh, _EXTENSION))
        unknown = agent_pb2.ControllerMessage()
        add_unknown(unknown, _NEW_FIELD)
        self.controller.send("db-1", unknown)

        self.assertEqual(self.probe_with().WhichOneof("outcome"), "probe")

    def test_plans_may_have_unknown_extensions_but_no_other_unknown_fields(self) -> None:
        self.controller.answer(self.controller.hello_of("db-1"))

        self.assertEqual(self.probe_with(tail=field(_EXTENSION, b"?")).WhichOneof("outcome"), "probe")
        report = self.probe_with(tail=field(_NEW_FIELD, b"?"))

        self.assertEqual(report.refused.check, "decode")
        self.assertIn(f"unknown field {_NEW_FIELD}", report.refused.message)

    def test_the_refusal_of_an_unknown_order_names_it(self) -> None:
        self.controller.answer(self.controller.hello_of("db-1"))
        plan = self.controller.plan("db-1", order_name="forget")

        self.controller.send_plan("db-1", plan, tail=field(_NEW_ORDER, b""))
        report = self.controller.report_of("db-1")

        self.assertEqual(report.refused.check, "order")
        self.assertIn('"forget"', report.refused.message)
        self.assertIn("upgrade", report.refused.hint)
        self.assertEqual(report.plan_id, plan.plan_id)
        self.assertEqual(self.probe_with().WhichOneof("outcome"), "probe")

    def test_a_root_document_may_have_unknown_roles_kinds_of_orders_and_extensions(self) -> None:
        next_one = trust_pb2.RootDocument.FromString(
            trust_pb2.Envelope.FromString(self.controller.root_envelope).payload)
        next_one.version = 2
        auditor = SigningKey()
        end_ms = next_one.expires_at_ms
        next_one.keys.add(public_key=auditor.public, role=_NEW_ROLE, person="cleo",
                          not_before_ms=next_one.issued_at_ms, not_after_ms=end_ms)
        next_one.thresholds.add(kind=_NEW_ORDER_KIND, operators=1)
        add_unknown(next_one, _EXTENSION)
        add_unknown(next_one.keys[0], _EXTENSION)
        envelope = sign(ROOT, next_one.SerializeToString(), SigningKey(self.cluster.root_key))

        self.controller.answer(self.controller.hello_of("db-1"), root=envelope)
        hello = wait_until("a Hello with the next root document", self.hello_with_version_2)
        self.controller.root.version = 2
        self.controller.answer(hello)

        # The agent ignores a correct signature by a key whose role it does not know.
        plan = self.controller.plan("db-1", order_name="probe", probe=plan_pb2.ProbeOrder())
        self.controller.send_plan("db-1", plan, auditor)
        self.assertEqual(self.controller.report_of("db-1").WhichOneof("outcome"), "probe")
        # It does not replace the operator's.
        order = plan_pb2.RestoreOrder(repository="main", snapshot=bytes(32), source="files/app", time_ms=1,
                                      staging=plan_pb2.StagingTarget(root="staging", directory="x"))
        plan = self.controller.plan("db-1", order_name="restore", restore=order)
        self.controller.send_plan("db-1", plan, auditor)
        self.assertEqual(self.controller.report_of("db-1").refused.check, "operators")

    def hello_with_version_2(self):
        hello = self.controller.hello_of("db-1")
        return hello if hello.root_version == 2 else None


main()
