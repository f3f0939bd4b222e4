#include "ike/snapshot.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::TwoEnds;

namespace {

/// What a wrote of its IKE SA, and the connections that the reader has.
struct Written {
    Written() {
        ends.configure();
        ends.initiate(ends.a);
        ends.settle();
        const SecretBuffer snapshot = write_snapshot(*ends.a.sa());
        octets.assign(snapshot.data(), snapshot.data() + snapshot.size());
    }
    [[nodiscard]] Result<std::unique_ptr<Sa>> read(const ConnectionPtr& connection) const {
        return read_snapshot(octets, [&](const std::string&) { return connection; }, 5);
    }
    [[nodiscard]] std::string_view refusal() const {
        const auto read_back = read(ends.a.connections.front());
        return read_back ? "" : read_back.error().reason;
    }

    TwoEnds ends;
    std::vector<std::uint8_t> octets;
};

}  // namespace

TEST_SUITE("snapshot") {
    TEST_CASE("an SA comes back as it was, with IVs of the reader's epoch") {
        const Written written;
        const auto sa = written.read(written.ends.a.connections.front());
        REQUIRE(sa);
        CHECK((*sa)->state == State::established);
        CHECK((*sa)->own_spi() == written.ends.a.sa()->own_spi());
        CHECK((*sa)->iv == IvCounter{.epoch = 5, .next = 0});
        CHECK(inconsistency(**sa) == nullptr);
    }

    TEST_CASE("of another version, of a connection that is gone") {
        Written written;
        const auto gone = written.read(nullptr);
        REQUIRE_FALSE(gone);
        CHECK(gone.error().reason == "snapshot-connection");
        CHECK(gone.error().sentence.contains("a-z"));
        ++written.octets[1];
        CHECK(written.refusal() == "snapshot-version");
        written.octets.clear();
        CHECK(written.refusal() == "snapshot-version");
    }

    TEST_CASE("cut short anywhere, or with something behind it") {
        Written written;
        const std::vector<std::uint8_t> whole = written.octets;
        for (std::size_t size = 2; size < whole.size(); ++size) {
            CAPTURE(size);
            written.octets.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            CHECK(written.refusal() == "snapshot-malformed");
        }
        written.octets = whole;
        written.octets.push_back(0);
        CHECK(written.refusal() == "snapshot-malformed");
    }
}
