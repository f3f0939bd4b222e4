#include "xfrm/kernel.hpp"

#include <fmt/format.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ranges>

#include "xfrm/uapi.hpp"

namespace keysluice::xfrm {
namespace {

using netlink::Answer;
using netlink::payload_of;
using netlink::Request;
using netlink::Socket;

constexpr int kDumpAttempts = 3;

Error refusal(const Answer& answer, std::string_view what) {
    Error error = netlink::refusal(answer.ack(), what);
    if (answer.error == EEXIST) {
        error.reason = "xfrm-exists";
    }
    if (answer.error == ESRCH) {
        error.reason = "xfrm-missing";
    }
    return error;
}

bool is_absence(const Answer& answer) {
    return answer.error == ESRCH || answer.error == ENOENT;
}

/// The message in an answer, bounded by what was received.
Bytes payload_of(const Answer& answer) {
    return netlink::behind(answer.reply, sizeof(nlmsghdr));
}

/// The answers to a batch are missing, not the batch.
Error uncertain(const Error& error) {
    return {"xfrm-uncertain", fmt::format("{}; whether the kernel made the changes is unknown", error.sentence)};
}

template <typename Parts>
auto batches(const Parts& parts) {
    std::vector<std::span<const typename Parts::value_type>> all;
    for (std::span rest{parts.data(), parts.size()}; !rest.empty();) {
        const std::size_t size = std::min(rest.size(), Socket::kBatch);
        all.push_back(rest.first(size));
        rest = rest.subspan(size);
    }
    return all;
}

}  // namespace

Result<Kernel> Kernel::open() {
    auto socket = Socket::open(NETLINK_XFRM);
    if (!socket) {
        Error error = std::move(socket).error();
        error.sentence += "; the kernel needs CONFIG_XFRM_USER (module xfrm_user)";
        return std::unexpected(std::move(error));
    }
    std::array<Request, 2> questions{encode_direction_question(), encode_migration_question()};
    auto answers = socket->transact(questions, "its dialect of XFRM");
    if (!answers) {
        return pass_on(std::move(answers));
    }
    const Answer& answer = answers->front();
    if (answer.error == EPERM) {
        return std::unexpected(refusal(answer, "the use of its XFRM interface"));
    }
    auto notes = netlink::Listener::open(NETLINK_XFRM, {}, Events::kReceiveBuffer);
    if (!notes) {
        return pass_on(std::move(notes));
    }
    return Kernel(*std::move(socket), *std::move(notes),
                  Dialect{.sa_direction = answer.error != 0 && answer.error != ESRCH,
                          .migrate_state = answers->back().error == ESRCH});
}

Result<void> Kernel::apply(const Transaction& transaction) {
    Result<void> relocated;
    for (const Relocation& each : transaction.relocations()) {
        if (auto result = relocate(each); !result && relocated) {
            relocated = std::move(result);
        }
    }
    for (const Rebinding& each : transaction.rebindings()) {
        if (auto result = rebind(each); !result && relocated) {
            relocated = std::move(result);
        }
    }
    if (auto added = add(transaction.additions()); !added) {
        return added;
    }
    auto removed = remove(transaction.removals());
    return relocated ? std::move(removed) : std::move(relocated);
}

// ---- relocating

Result<void> Kernel::relocate(const Relocation& relocation) {
    if (dialect_.migrate_state) {
        std::array<Request, 1> request{encode_migration(relocation)};
        const auto answers = socket_.transact(request, "the migration of an SA");
        if (!answers) {
            return std::unexpected(uncertain(answers.error()));
        }
        if (answers->front().error == 0) {
            return {};
        }
    }
    std::optional<Request> again;
    auto replaced = take_out(relocation.id, [&](Bytes deletion) {
        again = encode_again(deletion, relocation).value_or(std::nullopt);
        return again.has_value();
    });
    if (replaced && again) {
        replaced = add_again(*std::move(again), relocation.after());
    }
    if (!replaced) {
        // Nobody looks for it at its old place any more.
        const std::array<Transaction::Removal, 1> rest{relocation.id};
        (void)remove(rest);
    }
    return replaced;
}

Result<void> Kernel::rebind(const Rebinding& rebinding) {
    std::optional<Request> again;
    std::optional<Request> without;
    auto taken = take_out(rebinding.id, [&](Bytes deletion) {
        again = encode_again(deletion, rebinding).value_or(std::nullopt);
        without = encode_again(deletion, Rebinding{.id = rebinding.id, .offload = {}}).value_or(std::nullopt);
        return again && without;
    });
    if (!taken || !again || !without) {
        return taken;
    }
    auto added = add_again(*std::move(again), rebinding.id);
    return added || !rebinding.offload ? added : add_again(*std::move(without), rebinding.id);
}

Result<void> Kernel::add_again(Request request, const SaId& id) {
    const std::string what = describe(id);
    std::array<Request, 1> requests{std::move(request)};
    const auto answers = socket_.transact(requests, what);
    if (!answers) {
        return std::unexpected(uncertain(answers.error()));
    }
    if (answers->front().error != 0) {
        return std::unexpected(refusal(answers->front(), what + ", which moves"));
    }
    return {};
}

/// It is there, and the kernel shows its keys.
Result<void> Kernel::check_movable(const SaId& id) {
    const std::string what = describe(id);
    std::array<Request, 1> question{encode_get(id)};
    const auto asked = socket_.transact(question, what);
    if (!asked) {
        return std::unexpected(asked.error());
    }
    if (asked->front().error != 0) {
        return std::unexpected(refusal(asked->front(), what));
    }
    const auto hidden = hides_keys(payload_of(asked->front()));
    if (!hidden) {
        return std::unexpected(hidden.error());
    }
    if (*hidden) {
        return fail("xfrm-keys-hidden",
                    fmt::format("{} can't move: this kernel has no other way for it than by its keys, "
                                "and does not show them (lockdown)",
                                what));
    }
    return {};
}

/// The SA is added again as the kernel describes it at that moment: no packet can take a sequence number after it, so
/// none comes twice. (XFRM_MSG_MIGRATE copies the SA first and deletes the old one a moment later. What leaves in
/// between and what leaves next have the same number under the same key, and AES-GCM must never see that.)
Result<void> Kernel::take_out(const SaId& id, const ReadNote& read) {
    constexpr int kGroup = XFRMNLGRP_SA;
    using Received = netlink::Listener::Received;
    if (auto movable = check_movable(id); !movable) {
        return movable;
    }
    if (auto joined = notes_.join(NETLINK_XFRM, kGroup); !joined) {
        return pass_on(std::move(joined));
    }
    const std::string what = describe(id);
    std::array<Request, 1> deletion{encode_delete(id)};
    const auto deleted = socket_.transact(deletion, what);
    notes_.leave(kGroup);
    // The note was there before the answer; what else is there is read, so that the next time begins with nothing.
    bool told = false;
    auto received = Result<Received>(Received::messages);
    while (received && *received != Received::nothing) {
        received = notes_.receive([&](const nlmsghdr& message) {
            if (message.nlmsg_type == XFRM_MSG_DELSA && !told) {
                told = read(netlink::payload_of(message));
            }
        });
    }
    if (!deleted || deleted->front().error != 0) {
        return std::unexpected(deleted ? refusal(deleted->front(), what) : uncertain(deleted.error()));
    }
    if (!told) {
        return fail("xfrm-uncertain",
                    fmt::format("the kernel did not tell what {} was like when it was deleted", what));
    }
    return {};
}

Result<void> Kernel::add(std::span<const Transaction::Addition> additions) {
    std::vector<const Transaction::Addition*> done;
    std::optional<Error> failed;
    for (const auto& batch : batches(additions)) {
        std::vector<Request> requests;
        requests.reserve(batch.size());
        for (const auto& addition : batch) {
            requests.push_back(encode(addition, dialect_));
        }
        const auto answers = socket_.transact(requests, "changes of SAD and SPD");
        if (!answers) {
            // What was done for certain is undone all the same.
            const bool sent = answers.error().reason != "netlink-send-failed";
            failed = sent ? uncertain(answers.error()) : answers.error();
            break;
        }
        // The kernel went on after the first failure.
        for (std::size_t i = 0; i < batch.size(); ++i) {
            const Answer& answer = (*answers)[i];
            if (answer.error == 0) {
                done.push_back(&batch[i]);
            } else if (!failed) {
                failed = refusal(answer, describe(batch[i]));
            }
        }
        if (failed) {
            break;
        }
    }
    if (!failed) {
        return {};
    }
    failed->sentence += undo(done);
    return std::unexpected(*std::move(failed));
}

/// What to add to the sentence of a failure: nothing where all went well.
std::string Kernel::undo(std::span<const Transaction::Addition* const> done) {
    const std::vector<const Transaction::Addition*> reversed(done.rbegin(), done.rend());
    for (const auto& batch : batches(reversed)) {
        std::vector<Request> requests;
        requests.reserve(batch.size());
        for (const auto* addition : batch) {
            requests.push_back(encode_undo(*addition, dialect_));
        }
        const auto answers = socket_.transact(requests, "the undoing of changes");
        if (!answers) {
            return fmt::format("; undoing the rest failed: {}", answers.error().sentence);
        }
        for (std::size_t i = 0; i < batch.size(); ++i) {
            const Answer& answer = (*answers)[i];
            if (answer.error != 0 && !is_absence(answer)) {
                return fmt::format("; undoing the rest failed: {}", refusal(answer, describe(*batch[i])).sentence);
            }
        }
    }
    return {};
}

Result<void> Kernel::remove(std::span<const Transaction::Removal> removals) {
    std::optional<Error> failed;
    for (const auto& batch : batches(removals)) {
        std::vector<Request> requests;
        requests.reserve(batch.size());
        for (const auto& removal : batch) {
            requests.push_back(encode(removal));
        }
        const auto answers = socket_.transact(requests, "removals from SAD and SPD");
        if (!answers) {
            return std::unexpected(uncertain(answers.error()));
        }
        for (std::size_t i = 0; i < batch.size(); ++i) {
            const Answer& answer = (*answers)[i];
            if (answer.error != 0 && !is_absence(answer) && !failed) {
                failed = refusal(answer, "the removal of " + describe(batch[i]));
            }
        }
    }
    if (failed) {
        return std::unexpected(*std::move(failed));
    }
    return {};
}

Result<SaState> Kernel::sa(const SaId& id) {
    const std::string what = describe(id);
    std::array<Request, 1> question{encode_get(id)};
    auto answers = socket_.transact(question, what);
    if (!answers) {
        return pass_on(std::move(answers));
    }
    const Answer& answer = answers->front();
    if (answer.error != 0) {
        return std::unexpected(refusal(answer, what));
    }
    auto state = decode_sa(payload_of(answer));
    if (!state) {
        return pass_on(std::move(state));
    }
    std::optional<SaState> found = *std::move(state);
    if (!found) {
        return fail("xfrm-missing", fmt::format("{} is not of a kind that this program installs", what));
    }
    return *std::move(found);
}

template <typename State, typename Decode>
Result<std::vector<State>> Kernel::list(const Request& request, std::string_view what, Decode decode) {
    for (int attempt = 1;; ++attempt) {
        std::vector<State> found;
        auto dumped = socket_.dump(request, what, [&](const nlmsghdr& message) -> Result<void> {
            auto state = decode(payload_of(message));
            if (!state) {
                return pass_on(std::move(state));
            }
            if (*state) {
                found.push_back(**std::move(state));
            }
            return {};
        });
        if (dumped) {
            return found;
        }
        if (dumped.error().reason != "netlink-dump-interrupted" || attempt == kDumpAttempts) {
            return pass_on(std::move(dumped));
        }
    }
}

Result<std::vector<SaState>> Kernel::sas() {
    return list<SaState>(encode_sa_dump(), "the dump of SAs", decode_sa);
}

Result<std::vector<PolicyState>> Kernel::policies() {
    return list<PolicyState>(encode_policy_dump(), "the dump of policies", decode_policy);
}

Result<Events> Events::open(int receive_buffer) {
    static constexpr std::array kGroups{static_cast<int>(XFRMNLGRP_ACQUIRE), static_cast<int>(XFRMNLGRP_EXPIRE),
                                        static_cast<int>(XFRMNLGRP_MAPPING)};
    auto listener = netlink::Listener::open(NETLINK_XFRM, kGroups, receive_buffer);
    if (!listener) {
        return pass_on(std::move(listener));
    }
    return Events(*std::move(listener));
}

}  // namespace keysluice::xfrm
