#include "daemon/control/ike_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/shared/log.hpp"

namespace keysluice::control {
namespace {

constexpr const char* kName = "ike-state";
/// Where the gateways of all connections stand; no IKE SA has this SPI.
constexpr StateFile::Name kGateways = 0;

/// Behind the snapshot, the epoch of the process that wrote it.
SecretBuffer contents_of(const ike::Sa& sa, std::uint32_t epoch) {
    SecretBuffer contents = ike::write_snapshot(sa);
    for (unsigned shift = 32; shift > 0; shift -= 8) {
        contents.push_back(static_cast<std::uint8_t>(epoch >> (shift - 8)));
    }
    return contents;
}

LogDetails lost(std::string_view reason) {
    return {.event = LogEvent::ike_state_lost, .fields = {{"REASON", std::string(reason)}}};
}

struct Written {
    std::unique_ptr<ike::Sa> sa;
    std::uint32_t epoch = 0;
};

void read_gateways(const Result<SecretBuffer>& contents, ike::GatewayUses& into) {
    auto uses = contents ? ike::read_gateways(*contents) : std::unexpected(contents.error());
    if (uses) {
        into = *std::move(uses);
    } else {
        log_event(LogLevel::warning, lost(uses.error().reason), "{} ({})", uses.error().sentence,
                  uses.error().reason);
    }
}

Result<Written> read_contents(const SecretBuffer& contents, const ike::FindConnection& connection) {
    const Bytes all(contents);
    constexpr std::size_t kEpoch = sizeof(std::uint32_t);
    if (all.size() < kEpoch) {
        return fail("state-damaged", "an IKE SA of the process before is too short");
    }
    auto sa = ike::read_snapshot(all.first(all.size() - kEpoch), connection, 0);
    if (!sa) {
        return pass_on(std::move(sa));
    }
    return Written{.sa = *std::move(sa), .epoch = Reader(all.last(kEpoch)).be<std::uint32_t>()};
}

}  // namespace

Result<StateFile> IkeState::create(DescriptorStore& store, const StateKey& key, Random& random) {
    const auto secret = key.create(random);
    auto file = secret ? StateFile::create(*secret, random) : std::unexpected(secret.error());
    if (!file) {
        return file;
    }
    store.forget(kName);
    if (auto kept = store.keep(kName, file->file()); !kept) {
        return pass_on(std::move(kept));
    }
    return file;
}

std::unique_ptr<IkeState> IkeState::open(DescriptorStore& store, const std::string& place, Random& random) {
    auto inherited = store.take(kName);
    if (!store.available()) {
        return nullptr;
    }
    StateKey key(place);
    if (inherited) {
        const auto secret = key.find();
        auto file =
            secret ? StateFile::open(*std::move(inherited), *secret, random) : std::unexpected(secret.error());
        if (file) {
            return std::unique_ptr<IkeState>(new IkeState(store, std::move(key), *std::move(file)));
        }
        log_event(LogLevel::error, lost(file.error().reason),
                  "the IKE SAs of the process before are negotiated anew: {} ({})", file.error().sentence,
                  file.error().reason);
    }
    auto file = create(store, key, random);
    if (!file) {
        log_warning("IKE SAs do not outlive this process: {} ({})", file.error().sentence, file.error().reason);
        return nullptr;
    }
    return std::unique_ptr<IkeState>(new IkeState(store, std::move(key), *std::move(file)));
}

IkeState::Inherited IkeState::read(const ike::FindConnection& connection) {
    Inherited inherited;
    for (const StateFile::Name name : file_.names()) {
        if (name == kGateways) {
            read_gateways(file_.read(name), inherited.gateways);
            continue;
        }
        file_.begin_adoption(name);
        const auto contents = file_.read(name);
        auto written = contents ? read_contents(*contents, connection) : std::unexpected(contents.error());
        file_.end_adoption();
        if (!written) {
            log_event(LogLevel::warning, lost(written.error().reason), "{} ({})", written.error().sentence,
                      written.error().reason);
            file_.forget(name);
            continue;
        }
        inherited.epoch = std::max(inherited.epoch, written->epoch + 1);
        inherited.sas.push_back(std::move(written->sa));
    }
    if (const std::size_t count = file_.discarded(); count > 0) {
        log_event(LogLevel::warning, lost("state-damaged"),
                  "{} pieces of the state of IKE were half written or are damaged, and are not used (state-damaged)",
                  count);
    }
    for (const auto& sa : inherited.sas) {
        sa->iv.epoch = inherited.epoch;
    }
    return inherited;
}

void IkeState::save(const ike::Endpoint& endpoint, std::uint32_t epoch) {
    std::vector<ike::IkeSpi> changed = endpoint.changed();
    std::ranges::sort(changed);
    const auto repeated = std::ranges::unique(changed);
    changed.erase(repeated.begin(), repeated.end());
    changes_.clear();
    for (const ike::IkeSpi spi : changed) {
        StateFile::Change& change = changes_.emplace_back();
        change.name = spi.value;
        if (const auto sa = endpoint.sas().find(spi); sa != endpoint.sas().end()) {
            change.contents = contents_of(*sa->second, epoch);
        }
    }
    if (endpoint.gateways_changed()) {
        StateFile::Change& change = changes_.emplace_back();
        change.name = kGateways;
        change.contents = ike::write_gateways(endpoint.gateways());
    }
    if (changes_.empty()) {
        return;
    }
    const auto written = file_.write(changes_);
    changes_.clear();
    if (!written && !std::exchange(full_, true)) {
        log_error("{} ({})", written.error().sentence, written.error().reason);
    }
}

void IkeState::destroy() {
    store_.forget(kName);
    key_.destroy();
}

}  // namespace keysluice::control
