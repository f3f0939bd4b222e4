#include "daemon/control/state_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "crypto/hkdf.hpp"

namespace keysluice::control {
namespace {

/// Of a record: never the same twice under the key of one salt.
std::array<std::uint8_t, crypto::Aead::kNonceSize> nonce_of(std::uint64_t batch, std::uint32_t index) {
    std::array<std::uint8_t, crypto::Aead::kNonceSize> nonce{};
    Writer octets;
    octets.be(batch).be(index);
    std::ranges::copy(octets.view(), nonce.begin());
    return nonce;
}

std::array<std::uint8_t, 8> additional_of(StateFile::Name name) {
    std::array<std::uint8_t, 8> octets{};
    Writer writer;
    writer.be(name);
    std::ranges::copy(writer.view(), octets.begin());
    return octets;
}

}  // namespace

StateFile::StateFile(RecordHeap heap, const Key& key, const Salt& salt, crypto::Aead sealer)
    : heap_(std::move(heap)), key_(duplicate(key)), salt_(salt), sealer_(std::move(sealer)) {}

Result<crypto::Aead> StateFile::cipher(const Key& key, const Salt& salt) {
    Key derived;
    Writer info;
    info.raw(as_bytes("keysluice state file")).raw(salt);
    if (auto made = crypto::hkdf_expand(crypto::Hash::sha256, key.expose(), info.view(), derived.writable(32));
        !made) {
        return pass_on(std::move(made));
    }
    return crypto::Aead::make(crypto::AeadAlgorithm::aes256_gcm, derived.expose());
}

Result<StateFile> StateFile::over(RecordHeap heap, const Key& key, Random& random) {
    Salt salt{};
    random.fill(salt);
    auto sealer = cipher(key, salt);
    if (!sealer) {
        return pass_on(std::move(sealer));
    }
    StateFile file(std::move(heap), key, salt, *std::move(sealer));
    file.sort_out();
    return file;
}

Result<StateFile> StateFile::create(const Key& key, Random& random) {
    auto heap = RecordHeap::create();
    return heap ? over(*std::move(heap), key, random) : Result<StateFile>(pass_on(std::move(heap)));
}

Result<StateFile> StateFile::open(UniqueFd file, const Key& key, Random& random) {
    auto heap = RecordHeap::open(std::move(file));
    return heap ? over(*std::move(heap), key, random) : Result<StateFile>(pass_on(std::move(heap)));
}

/// Of the records of one name, the latest counts; what was not committed never came to be.
void StateFile::sort_out() {
    const std::uint64_t committed = heap_.header().committed.load(std::memory_order_acquire);
    discarded_ = heap_.senseless();
    const std::uint64_t died_of = heap_.header().adopting.exchange(0);
    for (Record* record : heap_.take_used()) {
        if (record->batch > committed) {
            heap_.release(*record);
            ++discarded_;
            continue;
        }
        if (heap_.offset(*record) == died_of) {
            ++record->attempts;
        }
        Record*& latest = records_.try_emplace(record->name, record).first->second;
        if (latest->batch < record->batch) {
            std::swap(latest, record);
        }
        if (latest != record) {
            heap_.release(*record);
        }
    }
    std::erase_if(records_, [&](const auto& each) {
        const bool gone = each.second->length <= crypto::Aead::kTagSize;
        if (gone) {
            heap_.release(*each.second);
        }
        return gone;
    });
}

// ---- writing

Record* StateFile::seal(const Change& change, std::uint32_t index, std::uint64_t batch) {
    Record* const record = heap_.allocate(change.contents.size() + crypto::Aead::kTagSize);
    if (record == nullptr) {
        return nullptr;
    }
    record->length = static_cast<std::uint32_t>(change.contents.size() + crypto::Aead::kTagSize);
    if (!sealer_.seal_into(RecordHeap::contents(*record), nonce_of(batch, index), additional_of(change.name),
                           change.contents)) {
        heap_.release(*record);
        return nullptr;
    }
    record->name = change.name;
    record->index = index;
    record->attempts = 0;
    record->salt = salt_;
    record->batch.store(batch, std::memory_order_release);
    return record;
}

Result<void> StateFile::write(std::span<const Change> changes) {
    std::atomic<std::uint64_t>& committed = heap_.header().committed;
    const std::uint64_t batch = committed.load(std::memory_order_relaxed) + 1;
    std::vector<Record*> written;
    written.reserve(changes.size());
    std::size_t refused = 0;
    for (std::uint32_t index = 0; index < changes.size(); ++index) {
        written.push_back(seal(changes[index], index, batch));
        refused += written.back() == nullptr ? 1U : 0U;
    }
    committed.store(batch, std::memory_order_release);
    for (std::size_t each = 0; each < changes.size(); ++each) {
        const Change& change = changes[each];
        Record* const record = written[each];
        if (const auto before = records_.find(change.name); before != records_.end()) {
            heap_.release(*before->second);
            records_.erase(before);
        }
        if (record != nullptr && change.contents.empty()) {
            heap_.release(*record);  // it hid the one before as long as that was there
        } else if (record != nullptr) {
            records_.emplace(change.name, record);
        }
    }
    if (refused > 0) {
        return fail("state-file-full", fmt::format("{} IKE SAs do not fit into the memory file that outlives this "
                                                   "process",
                                                   refused));
    }
    return {};
}

// ---- what an earlier process left

std::vector<StateFile::Name> StateFile::names() const {
    std::vector<Name> names;
    names.reserve(records_.size());
    for (const auto& [name, record] : records_) {
        names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
}

Result<SecretBuffer> StateFile::read(Name name) {
    Record& record = *records_.at(name);
    if (record.attempts >= kMostAttempts) {
        return fail("state-set-aside",
                    fmt::format("IKE SA {:016x} is not taken over: {} processes before this one died of it", name,
                                record.attempts));
    }
    auto opener = openers_.find(record.salt);
    if (opener == openers_.end()) {
        auto made = cipher(key_, record.salt);
        if (!made) {
            return pass_on(std::move(made));
        }
        opener = openers_.emplace(record.salt, *std::move(made)).first;
    }
    auto opened =
        opener->second.open(nonce_of(record.batch, record.index), additional_of(name), RecordHeap::contents(record));
    if (!opened) {
        return fail(
            "state-damaged",
            fmt::format("IKE SA {:016x} is not taken over: what the process before wrote of it is damaged, or "
                        "sealed under another key",
                        name));
    }
    SecretBuffer contents(opened->begin(), opened->end());
    wipe(opened->data(), opened->size());
    return contents;
}

void StateFile::begin_adoption(Name name) {
    if (const auto record = records_.find(name); record != records_.end()) {
        heap_.header().adopting.store(heap_.offset(*record->second), std::memory_order_release);
    }
}

void StateFile::end_adoption() {
    heap_.header().adopting.store(0, std::memory_order_release);
}

void StateFile::forgive(Name name) {
    if (const auto record = records_.find(name); record != records_.end()) {
        record->second->attempts = 0;
    }
}

void StateFile::forget(Name name) {
    if (const auto record = records_.find(name); record != records_.end()) {
        heap_.release(*record->second);
        records_.erase(record);
    }
}

}  // namespace keysluice::control
