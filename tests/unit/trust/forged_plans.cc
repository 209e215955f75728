#include "tests/unit/trust/forged_plans.h"

#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::testing {
namespace {

using trust::PayloadType;

Bytes Concatenate(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// A length-delimited field; `number` is below 16.
Bytes Field(unsigned number, const Bytes& content) {
  Bytes field = {static_cast<std::uint8_t>(number << 3 | 2)};
  std::size_t size = content.size();
  for (; size >= 0x80; size >>= 7) field.push_back(static_cast<std::uint8_t>(size | 0x80));
  field.push_back(static_cast<std::uint8_t>(size));
  return Concatenate(std::move(field), content);
}

// A valid backup plan that is refused because of `change` to the scene.
template <typename Change>
ForgedPlan BackupIn(const char* what, const char* check, Change change) {
  return {what, check, [change](PlanScene& scene) {
            change(scene);
            return scene.ByController(scene.Backup());
          }};
}
// The same for a restore that anna signed.
template <typename Change>
ForgedPlan RestoreIn(const char* what, const char* check, Change change) {
  return {what, check, [change](PlanScene& scene) {
            change(scene);
            return scene.WithAnna(scene.Restore());
          }};
}

const Bytes kUnknownField = {0x78, 0x01};  // field 15, varint 1
const Bytes kTornField = {0x7f};           // field 15, invalid wire type 7

void AddForgedBytes(std::vector<ForgedPlan>& plans) {
  plans.push_back({"oversize", "size", [](PlanScene& scene) {
                     Bytes junk = Field(2, Bytes(1U << 20, 'x'));  // the last payload counts
                     return Concatenate(Concatenate(junk, Field(2, Bytes(4096, 'x'))),
                                        scene.ByController(scene.Backup()));
                   }});
  plans.push_back({"a payload beyond its limit", "envelope", [](PlanScene& scene) {
                     v1::Plan plan = scene.Backup();
                     plan.set_reason(std::string((1U << 20) - 100, 'x'));
                     Bytes payload = PlanScene::Encode(plan);
                     trust::Signature signature = trust::MakeSignature(PayloadType::kPlan, payload,
                                                                       scene.fixture.controller);
                     v1::Envelope message;
                     message.set_payload_type(std::string(PayloadTypeName(PayloadType::kPlan)));
                     message.set_payload(payload.data(), payload.size());
                     message.add_signatures()->set_key_id(signature.key_id.data(), 32);
                     message.mutable_signatures(0)->set_signature(signature.bytes.data(), 64);
                     return protocol::EncodeMessage(message);
                   }});
  plans.push_back({"undecodable", "envelope", [](PlanScene& scene) {
                     return Concatenate(scene.ByController(scene.Backup()), kTornField);
                   }});
  plans.push_back({"an unknown field beside the payload", "envelope", [](PlanScene& scene) {
                     return Concatenate(scene.ByController(scene.Backup()), kUnknownField);
                   }});
  plans.push_back({"a key twice", "envelope", [](PlanScene& scene) {
                     v1::Envelope message;
                     (void)protocol::DecodeMessage(scene.ByController(scene.Backup()), "", message);
                     *message.add_signatures() = message.signatures(0);
                     return protocol::EncodeMessage(message);
                   }});
  plans.push_back(
      {"nine signatures", "envelope", [](PlanScene& scene) {
         Bytes payload = PlanScene::Encode(scene.Backup());
         v1::Envelope message;
         (void)protocol::DecodeMessage(scene.ByController(scene.Backup()), "", message);
         for (int i = 0; i < 8; ++i) {
           auto key = crypto::SigningKey::Generate(scene.fixture.random);
           TrustFixture::AddKey(scene.document, v1::ROLE_OPERATOR, key, "p" + std::to_string(i));
           trust::Signature signature = trust::MakeSignature(PayloadType::kPlan, payload, key);
           v1::Signature& added = *message.add_signatures();
           added.set_key_id(signature.key_id.data(), 32);
           added.set_signature(signature.bytes.data(), 64);
         }
         return protocol::EncodeMessage(message);
       }});
  plans.push_back({"a signature for another type", "type", [](PlanScene& scene) {
                     return trust::Sign(PayloadType::kReport, PlanScene::Encode(scene.Backup()),
                                        scene.fixture.controller);
                   }});
}

void AddForgedSignatures(std::vector<ForgedPlan>& plans) {
  auto signed_by = [&](const char* what, auto keys_of) {
    plans.push_back({what, "controller", [keys_of](PlanScene& scene) {
                       return PlanScene::SignPlan(scene.Backup(), keys_of(scene.fixture));
                     }});
  };
  using Keys = PlanScene::Keys;
  signed_by("an unknown signer", [](TrustFixture& f) { return Keys{&f.stranger}; });
  signed_by("an unknown signer beside the controller", [](TrustFixture& f) {
    return Keys{&f.controller, &f.stranger};
  });
  signed_by("an operator alone", [](TrustFixture& f) { return Keys{&f.anna}; });
  signed_by("a root key alone", [](TrustFixture& f) { return Keys{&f.root_anna}; });
  plans.push_back(
      {"a wrong signature", "controller", [](PlanScene& scene) {
         trust::Envelope envelope =
             Unwrap(trust::DecodeEnvelope(PayloadType::kPlan, scene.ByController(scene.Backup())));
         envelope.signatures[0].bytes[5] ^= 1;
         return Unwrap(trust::Assemble(PayloadType::kPlan, envelope.payload, envelope.signatures));
       }});
  plans.push_back({"a payload changed after it was signed", "controller", [](PlanScene& scene) {
                     v1::Plan plan = scene.Backup();
                     trust::Envelope envelope = Unwrap(
                         trust::DecodeEnvelope(PayloadType::kPlan, scene.ByController(plan)));
                     plan.mutable_backup()->mutable_tasks(0)->set_data(true);
                     return Unwrap(trust::Assemble(PayloadType::kPlan, PlanScene::Encode(plan),
                                                   envelope.signatures));
                   }});
  plans.push_back(BackupIn("an expired controller key", "controller", [](PlanScene& scene) {
    scene.document.mutable_keys(3)->set_not_after_ms(kTrustNowMs - 121'000);
  }));
  plans.push_back(
      BackupIn("a controller key that is not valid yet", "controller", [](PlanScene& scene) {
        scene.document.mutable_keys(3)->set_not_before_ms(kTrustNowMs + 121'000);
      }));
  plans.push_back(BackupIn("an expired root document", "controller", [](PlanScene& scene) {
    scene.document.set_expires_at_ms(kTrustNowMs - 121'000);
  }));
}

void AddForgedPayloads(std::vector<ForgedPlan>& plans) {
  auto payload_with = [&](const char* what, const Bytes& tail) {
    plans.push_back({what, "decode", [tail](PlanScene& scene) {
                       Bytes payload = PlanScene::Encode(scene.Backup());
                       return PlanScene::SignPayload(Concatenate(payload, tail),
                                                     {&scene.fixture.controller});
                     }});
  };
  payload_with("a payload that is no plan", kTornField);
  payload_with("an unknown field in the plan", kUnknownField);
  // Field 28, the first number that is free for another order.
  payload_with("an order of unknown kind", {0xe2, 0x01, 0x00});

  for (const auto& [what, name] : {std::pair{"the name of an order of a later version", "forget"},
                                   {"the name of another order", "restore"}}) {
    plans.push_back({what, "order", [name = name](PlanScene& scene) {
                       v1::Plan plan = scene.Backup();
                       plan.set_order_name(name);
                       return scene.ByController(plan);
                     }});
  }

  auto plan_with = [&](const char* what, auto change) {
    plans.push_back({what, "decode", [change](PlanScene& scene) {
                       v1::Plan plan = scene.Backup();
                       change(plan);
                       return scene.ByController(plan);
                     }});
  };
  plan_with("no order", [](v1::Plan& plan) { plan.clear_order(); });
  plan_with("no task", [](v1::Plan& plan) { plan.mutable_backup()->clear_tasks(); });
  plan_with("another part without a tree", [](v1::Plan& plan) {
    v1::BackupTask& task = *plan.mutable_backup()->mutable_tasks(0);
    task.set_shards(v1::SHARDS_REST);
    task.add_others()->set_node("db-2");
  });
  plan_with("another part for a node that saves only its own shards", [](v1::Plan& plan) {
    v1::BackupTask& task = *plan.mutable_backup()->mutable_tasks(0);
    task.set_shards(v1::SHARDS_NEAR);
    task.add_others()->set_tree_id(std::string(32, 't'));
  });
  plan_with("an unknown value for shards", [](v1::Plan& plan) {
    plan.mutable_backup()->mutable_tasks(0)->set_shards(static_cast<v1::Shards>(3));
  });
  plan_with("an id too short", [](v1::Plan& plan) { plan.set_plan_id("short"); });
  plan_with("no sequence", [](v1::Plan& plan) { plan.set_sequence(0); });
  plan_with("a run that is not a ULID", [](v1::Plan& plan) { plan.set_run("../run"); });
  plan_with("a cut of no plan", [](v1::Plan& plan) { plan.mutable_cut(); });
  plan_with("a restore without a target", [](v1::Plan& plan) {
    plan.mutable_restore()->set_snapshot(std::string(32, 's'));
    plan.mutable_restore()->set_source("etcd/main");
    plan.mutable_restore()->set_repository("main");
  });
  plan_with("an inventory after no snapshot", [](v1::Plan& plan) {
    plan.mutable_inventory()->set_repository("main");
    plan.mutable_inventory()->set_after("../x");
  });
  // To an agent that does not know a kind of target: no target, and an unknown field.
  plans.push_back(
      {"a restore to a kind of target that this agent does not know", "decode",
       [](PlanScene& scene) {
         v1::Plan plan = scene.Restore();
         plan.mutable_restore()->clear_target();
         Bytes order = protocol::EncodeMessage(plan.restore());
         order = Concatenate(order, Field(12, ToBytes("target")));
         plan.clear_order();
         Bytes payload = PlanScene::Encode(plan);
         Bytes field = {0xda, 0x01, static_cast<std::uint8_t>(order.size())};  // field 27
         payload = Concatenate(payload, Concatenate(field, order));
         return PlanScene::SignPayload(payload, {&scene.fixture.controller, &scene.fixture.anna});
       }});
  plans.push_back({"a restore of no snapshot", "decode", [](PlanScene& scene) {
                     v1::Plan plan = scene.Restore();
                     plan.mutable_restore()->set_snapshot("short");
                     return scene.WithAnna(plan);
                   }});
  const std::vector<std::pair<const char*, std::function<void(v1::RestoreOrder&)>>> restores = {
      {"a restore without the snapshot's time",
       [](v1::RestoreOrder& order) { order.clear_time_ms(); }},
      {"a restore of a snapshot made before 1970",
       [](v1::RestoreOrder& order) { order.set_time_ms(-1); }},
      {"a restore of a snapshot made too late",
       [](v1::RestoreOrder& order) { order.set_time_ms(9'000'000'000'001); }},
      {"a restore of a host that is too long",
       [](v1::RestoreOrder& order) { order.set_host(std::string(256, 'h')); }},
      {"a restore of a run that is too long",
       [](v1::RestoreOrder& order) { order.set_run(std::string(256, 'r')); }},
      {"a restore of a source that is too long",
       [](v1::RestoreOrder& order) { order.set_source("etcd/" + std::string(251, 's')); }},
  };
  for (const auto& [what, spoil] : restores) {
    plans.push_back({what, "decode", [spoil](PlanScene& scene) {
                       v1::Plan plan = scene.Restore();
                       spoil(*plan.mutable_restore());
                       return scene.WithAnna(plan);
                     }});
  }
  plans.push_back({"a part without a tree", "decode", [](PlanScene& scene) {
                     v1::Plan plan = scene.Compose();
                     plan.mutable_compose()->mutable_parts(0)->clear_tree_id();
                     return scene.ByController(plan);
                   }});
}

void AddMisdirectedPlans(std::vector<ForgedPlan>& plans) {
  auto backup_with = [&](const char* what, const char* check, auto change) {
    plans.push_back({what, check, [change](PlanScene& scene) {
                       v1::Plan plan = scene.Backup();
                       change(plan);
                       return scene.ByController(plan);
                     }});
  };
  backup_with("another cluster", "cluster",
              [](v1::Plan& plan) { plan.set_cluster_id("01HF0000000000000000000009"); });
  backup_with("another target", "node", [](v1::Plan& plan) { plan.set_node("db-2"); });
  backup_with("an older incarnation", "incarnation",
              [](v1::Plan& plan) { plan.set_incarnation(1); });
  backup_with("a later incarnation", "incarnation",
              [](v1::Plan& plan) { plan.set_incarnation(3); });
  backup_with("an older epoch", "epoch", [](v1::Plan& plan) { plan.set_controller_epoch(3); });
  plans.push_back(BackupIn("an epoch below the root document's", "epoch",
                           [](PlanScene& scene) { scene.document.set_epoch(5); }));
  backup_with("before its time", "time",
              [](v1::Plan& plan) { plan.set_not_before_ms(kTrustNowMs + 121'000); });
  backup_with("after its time", "time", [](v1::Plan& plan) {
    plan.set_issued_at_ms(kTrustNowMs - 200'000);
    plan.set_not_before_ms(kTrustNowMs - 200'000);
    plan.set_expires_at_ms(kTrustNowMs - 121'000);
  });
  backup_with("a life of more than a day", "time",
              [](v1::Plan& plan) { plan.set_expires_at_ms(kTrustNowMs + kDayMs + 1); });
  backup_with("a long life hidden by an issue in the future", "time", [](v1::Plan& plan) {
    plan.set_issued_at_ms(kTrustNowMs + 3650 * kDayMs);
    plan.set_expires_at_ms(kTrustNowMs + 3651 * kDayMs);
  });
  backup_with("times that overflow", "time", [](v1::Plan& plan) {
    plan.set_issued_at_ms(INT64_MIN);
    plan.set_not_before_ms(INT64_MIN);
    plan.set_expires_at_ms(INT64_MAX);
  });
}

void AddUnsupportedRestores(std::vector<ForgedPlan>& plans) {
  plans.push_back({"a restore without an operator", "operators",
                   [](PlanScene& scene) { return scene.ByController(scene.Restore()); }});
  plans.push_back({"one operator where two are asked for", "operators",
                   [](PlanScene& scene) { return scene.WithAnna(scene.RestoreInPlace()); }});
  plans.push_back({"one operator for a target, which asks for as many as in place", "operators",
                   [](PlanScene& scene) { return scene.WithAnna(scene.RestoreToTarget()); }});
  plans.push_back({"one person twice", "operators", [](PlanScene& scene) {
                     return PlanScene::SignPlan(scene.RestoreInPlace(),
                                                {&scene.fixture.controller, &scene.fixture.anna,
                                                 &scene.fixture.anna_laptop});
                   }});
  plans.push_back(RestoreIn("an operator whose key has expired", "operators", [](PlanScene& scene) {
    scene.document.mutable_keys(4)->set_not_after_ms(kTrustNowMs - 121'000);
  }));
  plans.push_back(
      {"an operator's wrong signature beside a good one", "operators", [](PlanScene& scene) {
         trust::Envelope envelope = Unwrap(
             trust::DecodeEnvelope(PayloadType::kPlan, scene.WithAnnaAndBen(scene.Restore())));
         envelope.signatures[2].bytes[0] ^= 1;
         return Unwrap(trust::Assemble(PayloadType::kPlan, envelope.payload, envelope.signatures));
       }});
  plans.push_back(RestoreIn("no freshness", "freshness",
                            [](PlanScene& scene) { scene.freshness.age = std::nullopt; }));
  plans.push_back(
      RestoreIn("a freshness answer that is too old", "freshness", [](PlanScene& scene) {
        scene.freshness.age = std::chrono::minutes(5) + std::chrono::nanoseconds(1);
      }));
  plans.push_back(RestoreIn("a suspect clock", "freshness",
                            [](PlanScene& scene) { scene.freshness.is_clock_suspect = true; }));
}

void AddReplayedPlans(std::vector<ForgedPlan>& plans) {
  plans.push_back({"replayed with other bytes", "replay", [](PlanScene& scene) {
                     scene.Remember(scene.Check(scene.ByController(scene.Backup())));
                     v1::Plan plan = scene.Backup();
                     plan.set_sequence(plan.sequence() + 1);
                     return scene.ByController(plan);
                   }});
  plans.push_back({"a sequence used twice", "replay", [](PlanScene& scene) {
                     scene.Remember(scene.Check(scene.ByController(scene.Backup())));
                     v1::Plan plan = scene.Backup();
                     plan.set_plan_id(std::string(16, 'q'));
                     return scene.ByController(plan);
                   }});
  plans.push_back(BackupIn("at the floor", "replay", [](PlanScene& scene) {
    scene.guard.RaiseFloor(scene.fixture.controller.id(), kTrustNowMs);
  }));
}

void AddUnconfiguredPlans(std::vector<ForgedPlan>& plans) {
  using MakePlan = v1::Plan (PlanScene::*)();
  auto changed = [&](const char* what, const char* check, MakePlan make, auto change) {
    plans.push_back({what, check, [make, change](PlanScene& scene) {
                       v1::Plan plan = (scene.*make)();
                       change(plan);
                       return scene.WithAnnaAndBen(plan);
                     }});
  };
  auto under_policy = [&](const char* what, trust::RestoreRight right, MakePlan make) {
    plans.push_back({what, "policy", [right, make](PlanScene& scene) {
                       scene.policy.right = right;
                       return scene.WithAnnaAndBen((scene.*make)());
                     }});
  };
  changed("a backup of an unconfigured source", "source", &PlanScene::Backup, [](v1::Plan& plan) {
    v1::BackupTask& task = *plan.mutable_backup()->add_tasks();
    task.set_source("files/secrets");
    task.set_repository("main");
  });
  changed("a composition of an unconfigured source", "source", &PlanScene::Compose,
          [](v1::Plan& plan) { plan.mutable_compose()->set_source("etcd/other"); });
  changed("a probe of an unconfigured source", "source", &PlanScene::Head,
          [](v1::Plan& plan) { plan.mutable_probe()->add_sources("etcd/other"); });
  changed("a restore in place of an unconfigured source", "source", &PlanScene::RestoreInPlace,
          [](v1::Plan& plan) { plan.mutable_restore()->set_source("etcd/other"); });
  changed("another source's repository", "repository", &PlanScene::Backup,
          [](v1::Plan& plan) { plan.mutable_backup()->mutable_tasks(0)->set_repository("other"); });
  changed("no repository", "repository", &PlanScene::Backup,
          [](v1::Plan& plan) { plan.mutable_backup()->mutable_tasks(0)->clear_repository(); });
  changed("a restore in place from another repository", "repository", &PlanScene::RestoreInPlace,
          [](v1::Plan& plan) { plan.mutable_restore()->set_repository("other"); });
  changed("a restore from an unconfigured repository", "repository", &PlanScene::Restore,
          [](v1::Plan& plan) { plan.mutable_restore()->set_repository("evil"); });
  for (const auto make : {&PlanScene::Restore, &PlanScene::RestoreToTarget}) {
    changed("the newest snapshot of an own source from another repository", "repository", make,
            [](v1::Plan& plan) {
              plan.mutable_restore()->mutable_newest();
              plan.mutable_restore()->set_repository("other");
            });
  }
  changed("a check of an unconfigured repository", "repository", &PlanScene::Head,
          [](v1::Plan& plan) { plan.mutable_verify()->set_repository("evil"); });
  changed("an inventory of an unconfigured repository", "repository", &PlanScene::Head,
          [](v1::Plan& plan) { plan.mutable_inventory()->set_repository("evil"); });
  under_policy("a restore where the policy says never", trust::RestoreRight::kNever,
               &PlanScene::Restore);
  under_policy("a restore in place where the policy says staging", trust::RestoreRight::kStaging,
               &PlanScene::RestoreInPlace);
  under_policy("a restore to a target where the policy says staging", trust::RestoreRight::kStaging,
               &PlanScene::RestoreToTarget);
  changed("a restore to a target from an unconfigured repository", "repository",
          &PlanScene::RestoreToTarget,
          [](v1::Plan& plan) { plan.mutable_restore()->set_repository("evil"); });
  const auto target_with = [&](const char* what, auto spoil) {
    changed(what, "restore_target", &PlanScene::RestoreToTarget,
            [spoil](v1::Plan& plan) { spoil(*plan.mutable_restore()); });
  };
  target_with("a target that is not in the policy",
              [](v1::RestoreOrder& order) { order.mutable_named()->set_name("other"); });
  target_with("a target of another kind",
              [](v1::RestoreOrder& order) { order.set_source("files/app"); });
  target_with("an option that no order may give", [](v1::RestoreOrder& order) {
    order.mutable_named()->mutable_options(0)->set_name("to");
  });
  target_with("an option twice", [](v1::RestoreOrder& order) {
    *order.mutable_named()->add_options() = order.named().options(0);
  });
  target_with("an option without a value", [](v1::RestoreOrder& order) {
    order.mutable_named()->mutable_options(0)->clear_values();
  });
  changed("a restore root that is not in the policy", "restore_root", &PlanScene::Restore,
          [](v1::Plan& plan) { plan.mutable_restore()->mutable_staging()->set_root("etc"); });
}

void AddWanderingPaths(std::vector<ForgedPlan>& plans) {
  for (std::string directory :
       {"../x", "x/../../y", "x/..", "/etc", "", "x//y", "x/", "./x", "x/./y", "..", "."}) {
    plans.push_back({"the directory \"" + directory + "\"", "path", [directory](PlanScene& scene) {
                       v1::Plan plan = scene.Restore();
                       plan.mutable_restore()->mutable_staging()->set_directory(directory);
                       return scene.WithAnna(plan);
                     }});
  }
  auto restore_with = [&](const char* what, auto change) {
    plans.push_back({what, "path", [change](PlanScene& scene) {
                       v1::Plan plan = scene.Restore();
                       change(*plan.mutable_restore()->mutable_staging());
                       return scene.WithAnna(plan);
                     }});
  };
  restore_with("a directory with NUL",
               [](v1::StagingTarget& t) { t.set_directory(std::string("x\0y", 3)); });
  restore_with("a directory without end",
               [](v1::StagingTarget& t) { t.set_directory(std::string(5000, 'x')); });
  restore_with("a path in the snapshot with ..",
               [](v1::StagingTarget& t) { t.set_path("data/../../x"); });
  restore_with("an absolute path in the snapshot",
               [](v1::StagingTarget& t) { t.set_path("/data"); });
  for (std::string path : {"/data", "data/../etc", "data//x", "data/"}) {
    plans.push_back({"the path \"" + path + "\" in place", "path", [path](PlanScene& scene) {
                       v1::Plan plan = scene.RestoreInPlace();
                       plan.mutable_restore()->mutable_in_place()->set_path(path);
                       return scene.WithAnnaAndBen(plan);
                     }});
  }
  plans.push_back({"a part of a node that is a path", "path", [](PlanScene& scene) {
                     v1::Plan plan = scene.Compose();
                     plan.mutable_compose()->mutable_parts(0)->set_node("../db-2");
                     return scene.ByController(plan);
                   }});
}

}  // namespace

std::vector<ForgedPlan> ForgedPlans() {
  std::vector<ForgedPlan> plans;
  AddForgedBytes(plans);
  AddForgedSignatures(plans);
  AddForgedPayloads(plans);
  AddMisdirectedPlans(plans);
  AddUnsupportedRestores(plans);
  AddReplayedPlans(plans);
  AddUnconfiguredPlans(plans);
  AddWanderingPaths(plans);
  return plans;
}

}  // namespace holdfast::testing
