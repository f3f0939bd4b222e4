#include "daemon/control/signers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"

namespace keysluice::control {

void Signers::use(std::vector<Key> keys) {
    keys_ = std::move(keys);
    refused_.clear();
    for (Engine& engine : engines_) {
        tell(engine);
    }
}

void Signers::tell(Engine& engine) {
    std::erase_if(engine.keys,
                  [this](const KeyId& id) { return std::ranges::find(keys_, id, &Key::id) == keys_.end(); });
    for (const Key& key : keys_) {
        Descriptors beside;
        if (key.given) {
            beside.push_back(duplicate_fd(*key.given));
        }
        const SigningKey message{.key = key.given ? key.of_certificate : key.id, .path = key.path};
        static_cast<void>(engine.channel->send(message, std::move(beside)));
    }
    static_cast<void>(engine.channel->send(SigningKeysComplete{}));
}

void Signers::sign(const KeyId& key, crypto::SignatureScheme scheme, std::vector<std::uint8_t> octets, Done done) {
    if (jobs_.size() >= kMostWaiting || octets.size() > kMostToSign) {
        loop_.defer([done = std::move(done)] {
            done(fail("signing-busy",
                      fmt::format("{} signatures are waiting already: there are too few engines for so "
                                  "many new connections at once",
                                  kMostWaiting)));
        });
        return;
    }
    jobs_.push_back({.wanted = {.token = ++next_token_,
                                .key = key,
                                .scheme = static_cast<std::uint8_t>(scheme),
                                .octets = std::move(octets)},
                     .done = std::move(done),
                     .until = now() + patience_});
    assign_waiting();
    arm();
}

void Signers::joined(Channel& engine) {
    engines_.push_back({.channel = &engine, .keys = {}});
    tell(engines_.back());
}

void Signers::left(const Channel& engine) {
    std::erase_if(engines_, [&](const Engine& each) { return each.channel == &engine; });
    for (Job& job : jobs_) {
        if (job.engine == &engine) {
            job.engine = nullptr;
        }
    }
    assign_waiting();
    handshakes_.left(engine);
}

Signers::Engine* Signers::find(const Channel& channel) {
    const auto found = std::ranges::find(engines_, &channel, &Engine::channel);
    return found == engines_.end() ? nullptr : &*found;
}

Signers::Engine* Signers::least_busy(const KeyId& key) {
    Engine* best = nullptr;
    for (Engine& each : engines_) {
        if (each.keys.contains(key) && (best == nullptr || each.busy < best->busy)) {
            best = &each;
        }
    }
    return best;
}

Channel* Signers::engine_with(const KeyId& key) {
    const auto load = [this](const Engine& engine) { return engine.busy + handshakes_.in(*engine.channel); };
    Engine* best = nullptr;
    for (Engine& each : engines_) {
        if (each.keys.contains(key) && (best == nullptr || load(each) < load(*best))) {
            best = &each;
        }
    }
    return best == nullptr ? nullptr : best->channel;
}

void Signers::assign_waiting() {
    for (Job& job : jobs_) {
        Engine* engine = job.engine == nullptr ? least_busy(job.wanted.key) : nullptr;
        if (engine != nullptr && engine->channel->send(job.wanted)) {
            job.engine = engine->channel;
            ++engine->busy;
        }
    }
}

void Signers::on_message(const Channel& engine, const SigningKeyLoaded& loaded) {
    const auto key = std::ranges::find(keys_, loaded.key, &Key::id);
    Engine* from = find(engine);
    if (key == keys_.end() || from == nullptr) {
        return;
    }
    if (!loaded.reason.empty()) {
        log_error("{}: an engine can't sign for it: {} ({})", key->owner, loaded.sentence, loaded.reason);
        refused_[loaded.key] = loaded.sentence;
        if (key->given) {
            from->keys.erase(loaded.key);
        }
        return;
    }
    from->keys.insert(loaded.key);
    assign_waiting();
    handshakes_.assign_waiting();
}

void Signers::on_message(const Channel& engine, SignatureMade made) {
    const auto job = std::ranges::find_if(
        jobs_, [&](const Job& each) { return each.wanted.token == made.token && each.engine == &engine; });
    if (Engine* from = find(engine); from != nullptr && from->busy > 0) {
        --from->busy;
    }
    if (job == jobs_.end()) {
        return;  // it took too long
    }
    const Done done = std::move(job->done);
    jobs_.erase(job);
    arm();
    if (made.signature.empty()) {
        done(fail("signing-failed", std::move(made.sentence)));
    } else {
        done(std::move(made.signature));
    }
}

void Signers::give_up_late() {
    while (!jobs_.empty() && jobs_.front().until <= now()) {
        const Job job = std::move(jobs_.front());
        jobs_.pop_front();
        const auto refused = refused_.find(job.wanted.key);
        job.done(fail("no-engine",
                      refused != refused_.end()
                          ? refused->second
                          : fmt::format("no engine made the signature within {} s; {}",
                                        std::chrono::duration_cast<std::chrono::seconds>(patience_).count(),
                                        engines_.empty() ? "none is running" : "those that run are overloaded")));
    }
    arm();
}

void Signers::arm() {
    jobs_.empty() ? deadline_.disarm() : deadline_.arm(jobs_.front().until);
}

}  // namespace keysluice::control
