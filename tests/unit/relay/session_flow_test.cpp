// Back-pressure, and what a slow reader must not lose.

#include <doctest/doctest.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>

#include "daemon/relay/session.hpp"
#include "tests/support/kernel.hpp"
#include "tests/support/reading.hpp"
#include "tests/support/relayed_session.hpp"
#include "tests/support/tls_pair.hpp"

using namespace keysluice;
using namespace keysluice::test;
using keysluice::testing::pattern;
using ktls::AlertDescription;
using ktls::Version;

using Alerts = std::vector<AlertDescription>;

namespace {

constexpr std::size_t kMebibyte = 1'048'576;

/// Until nobody moves a byte any more.
void let_it_stall(RelayedSession& relayed) {
    std::size_t left = SIZE_MAX;
    while (left != relayed.tls.unsaid() + relayed.plain.unsaid()) {
        left = relayed.tls.unsaid() + relayed.plain.unsaid();
        relayed.turn_for(std::chrono::milliseconds(200));
    }
}

/// While it lives, a setting of the kernel has another value.
class KernelSetting {
   public:
    KernelSetting(std::string file, const std::string& value) : file_("/proc/sys/net/ipv4/" + std::move(file)) {
        std::getline(std::ifstream(file_), before_);
        set(value);
    }
    KernelSetting(const KernelSetting&) = delete;
    KernelSetting& operator=(const KernelSetting&) = delete;
    ~KernelSetting() { set(before_); }

   private:
    void set(const std::string& value) { CHECK((std::ofstream(file_) << value).flush()); }
    std::string file_;
    std::string before_;
};

/// While it lives, and as long as this thread does not sleep, the kernel's own threads of this CPU wait: kTLS sends
/// what it kept only when we call it.
class KernelThreadsWait {
   public:
    KernelThreadsWait() {
        CPU_ZERO(&before_);
        REQUIRE(::sched_getaffinity(0, sizeof(before_), &before_) == 0);
        cpu_set_t here;
        CPU_ZERO(&here);
        CPU_SET(static_cast<unsigned>(::sched_getcpu()), &here);
        REQUIRE(::sched_setaffinity(0, sizeof(here), &here) == 0);
        const sched_param first{.sched_priority = 50};
        REQUIRE(::sched_setscheduler(0, SCHED_FIFO, &first) == 0);
    }
    KernelThreadsWait(const KernelThreadsWait&) = delete;
    KernelThreadsWait& operator=(const KernelThreadsWait&) = delete;
    ~KernelThreadsWait() {
        const sched_param ordinary{.sched_priority = 0};
        ::sched_setscheduler(0, SCHED_OTHER, &ordinary);
        ::sched_setaffinity(0, sizeof(before_), &before_);
    }

   private:
    cpu_set_t before_{};
};

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE("a plaintext side that does not read stops the peer, but not the other direction") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(Version::tls13, plain_unix_pair());
        relayed.shrink_buffers(128 * 1024);
        relayed.plain.reads = false;
        const auto data = pattern(4 * kMebibyte);
        relayed.tls.say(data);
        let_it_stall(relayed);
        const std::size_t taken = data.size() - std::min(data.size(), relayed.tls.unsaid());
        CHECK(taken > 64UL * 1024);
        CHECK(taken < 2 * kMebibyte);
        CHECK(relayed.wake_ups() < 20);

        relayed.plain.say(as_bytes("still here"));
        CHECK(relayed.turn_until([&] { return relayed.tls.received.size() == 10; }));

        relayed.plain.reads = true;
        CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == data.size(); }));
        CHECK((relayed.plain.received == data));
        CHECK(relayed.borrowed_pipes() == 0);
    }

    TEST_CASE("a peer that does not read stops the plaintext side, but not the other direction") {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(Version::tls13, plain_unix_pair());
        relayed.shrink_buffers(128 * 1024);
        relayed.tls.reads = false;
        const auto data = pattern(4 * kMebibyte);
        relayed.plain.say(data);
        let_it_stall(relayed);
        const std::size_t taken = data.size() - relayed.plain.unsaid();
        CHECK(taken > 64UL * 1024);
        CHECK(taken < 2 * kMebibyte);
        CHECK(relayed.wake_ups() < 20);

        relayed.tls.say(as_bytes("still here"));
        CHECK(relayed.turn_until([&] { return relayed.plain.received.size() == 10; }));

        relayed.tls.reads = true;
        CHECK(relayed.turn_until([&] { return relayed.tls.received.size() == data.size(); }));
        CHECK((relayed.tls.received == data));
    }

    TEST_CASE_TEMPLATE("four mebibytes both ways at once", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        RelayedSession relayed(V::version);
        const auto up = pattern(4 * kMebibyte);
        const auto down = pattern(4 * kMebibyte + 1);
        relayed.tls.say(up);
        relayed.plain.say(down);
        CHECK(relayed.turn_until([&] {
            return relayed.plain.received.size() == up.size() && relayed.tls.received.size() == down.size();
        }));
        CHECK((relayed.plain.received == up));
        CHECK((relayed.tls.received == down));
        CHECK_FALSE(relayed.over());
    }

    TEST_CASE_TEMPLATE("the tail is not lost when the plaintext side ends while the kernel's buffer is full", V,
                       Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        std::mt19937 random(7);
        for (int round = 0; round < 20; ++round) {
            const std::size_t records = 1 + random() % 8;
            const std::size_t size = std::max<std::size_t>(1, records * 16384 + random() % 200 - 100);
            const int send_buffer = 1 << (11 + random() % 7);
            CAPTURE(size);
            CAPTURE(send_buffer);
            RelayedSession relayed(V::version);
            relayed.shrink_buffers(send_buffer, 16384);
            const auto data = pattern(size);
            relayed.tls.reads = false;
            relayed.plain.say(data);
            relayed.plain.say_end();
            relayed.turn_for(std::chrono::milliseconds(5));
            relayed.tls.reads = true;
            relayed.tls.most_per_pump = 2000 + random() % 9000;
            REQUIRE(relayed.turn_until([&] { return relayed.tls.over(); }));
            CHECK(relayed.tls.received.size() == data.size());
            CHECK((relayed.tls.received == data));
            CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
            CHECK_FALSE(relayed.tls.data_behind_alert);
            CHECK(relayed.tls.ended);
        }
    }

    TEST_CASE("the backend answers, ends and resets while the client still uploads: it gets the answer") {
        if (!kernel_has_ktls()) {
            return;
        }
        PlainPair pair = plain_tcp_pair();
        set_buffers(pair.relay.get(), 4096, 1 << 20);
        set_buffers(pair.test.get(), 1 << 20, 4096);
        RelayedSession relayed(Version::tls13, std::move(pair));
        set_buffers(relayed.tls.socket(), 1 << 20, 4096);
        const auto answer = pattern(60'000);
        relayed.tls.reads = false;
        relayed.tls.say(pattern(200'000));
        relayed.plain.reads = false;
        relayed.plain.say(answer);
        relayed.plain.say_end();
        CHECK(relayed.turn_until([&] { return relayed.plain.has_arrived() && relayed.tls.said_all(); }));
        relayed.turn_for(std::chrono::milliseconds(50));
        CHECK_FALSE(relayed.over());
        relayed.plain.fd.reset();  // with unread input: a reset
        CHECK(relayed.turn_until([&] { return relayed.over(); }));
        relayed.tls.reads = true;
        CHECK(relayed.turn_until([&] { return relayed.tls.over(); }));
        CHECK((relayed.tls.received == answer));
        CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
    }

    TEST_CASE("the backend resets while its answer still waits in a pipe: the client gets the answer") {
        if (!kernel_has_ktls()) {
            return;
        }
        PlainPair pair = plain_tcp_pair();
        set_buffers(pair.relay.get(), 4096, 1 << 20);
        set_buffers(pair.test.get(), 1 << 20, 4096);
        RelayedSession relayed(Version::tls13, std::move(pair));
        relayed.shrink_buffers(16 * 1024);
        bool complete = true;
        bool dies = false;
        const auto answer = pattern(400'000);
        relayed.tls.reads = false;
        relayed.plain.reads = false;
        relayed.plain.say(answer);
        relayed.tls.say(pattern(30'000));
        SUBCASE("after its FIN") {
            relayed.plain.say_end();
        }
        SUBCASE("after its FIN, and the relay dies before the peer has it all") {
            relayed.plain.say_end();
            dies = true;
        }
        SUBCASE("without one") {
            complete = false;
        }
        SUBCASE("without one, and the relay dies before the peer has it all") {
            complete = false;
            dies = true;
        }
        CHECK(relayed.turn_until([&] { return relayed.plain.said_all() && relayed.tls.said_all(); }));
        relayed.turn_for(std::chrono::milliseconds(50));
        relayed.plain.fd.reset();  // with unread input: a reset
        relayed.turn_for(std::chrono::milliseconds(50));
        CHECK_FALSE(relayed.over());
        CHECK(relayed.wake_ups() < 20);
        relayed.tls.say(pattern(200'000));  // nobody takes it, yet it stops nothing
        CHECK(relayed.turn_until([&] { return relayed.tls.said_all(); }));
        if (dies) {
            relayed.replace();
        }
        relayed.tls.reads = true;
        CHECK(relayed.turn_until([&] { return relayed.over() && relayed.tls.over(); }));
        if (complete) {
            CHECK(relayed.outcome == "");
            CHECK((relayed.tls.received == answer));
            CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
        } else {
            CHECK(relayed.outcome == "plain-side-reset");
            CHECK(relayed.tls.failure == "connection-reset");
            CHECK(relayed.tls.alerts.empty());
        }
    }

    TEST_CASE("the backend is reset, its answer waits, and the peer never reads: the time ends it") {
        if (!kernel_has_ktls()) {
            return;
        }
        PlainPair pair = plain_tcp_pair();
        set_buffers(pair.relay.get(), 4096, 1 << 20);
        set_buffers(pair.test.get(), 1 << 20, 4096);
        RelayedSession relayed(Version::tls13, std::move(pair), std::chrono::milliseconds(100));
        relayed.shrink_buffers(16 * 1024);
        relayed.tls.reads = false;
        relayed.plain.reads = false;
        relayed.plain.say(pattern(400'000));
        relayed.tls.say(pattern(30'000));
        CHECK(relayed.turn_until([&] { return relayed.plain.said_all() && relayed.tls.said_all(); }));
        relayed.turn_for(std::chrono::milliseconds(50));
        relayed.plain.fd.reset();
        CHECK(relayed.turn_until([&] { return relayed.over(); }));
        CHECK(relayed.outcome == "close-timeout");
    }

    TEST_CASE("the relay is done before a slow plaintext side has read everything: it still gets it all, in order") {
        if (!kernel_has_ktls()) {
            return;
        }
        PlainPair pair = plain_tcp_pair();
        set_buffers(pair.relay.get(), 1 << 20, 4096);
        set_buffers(pair.test.get(), 4096, 4096);
        RelayedSession relayed(Version::tls13, std::move(pair));
        relayed.plain.reads = false;
        relayed.plain.say_end();
        const auto data = pattern(60'000);
        relayed.tls.say(data);
        relayed.tls.say_alert(AlertDescription::close_notify);
        CHECK(relayed.turn_until([&] { return relayed.over() && relayed.tls.over(); }));
        CHECK(relayed.outcome == "");
        relayed.plain.reads = true;
        CHECK(relayed.turn_until([&] { return relayed.plain.over(); }));
        CHECK((relayed.plain.received == data));
        CHECK(relayed.plain.ended);
    }

    TEST_CASE_TEMPLATE("what the kernel keeps of a record is not overtaken by the end, however little room it has", V,
                       Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        // Some count of records just fills the buffer, so that the last one is what the kernel keeps.
        int send_buffer = 212'992;
        std::size_t most_records = 20;
        std::string most_unsent = "4294967295";
        SUBCASE("a large send buffer") {}
        SUBCASE("the smallest send buffer") {
            send_buffer = 2048;
            most_records = 3;
        }
        SUBCASE("little may be unsent") {
            most_unsent = "4096";
            most_records = 3;
        }
        // Small windows: the kernel cuts a record into many segments, and takes some of them when there is little
        // room.
        const KernelSetting small_windows("tcp_rmem", "4096 4608 4608");
        const KernelSetting unsent("tcp_notsent_lowat", most_unsent);
        for (std::size_t records = 1; records <= most_records; ++records) {
            CAPTURE(records);
            RelayedSession relayed(V::version, plain_unix_pair());
            relayed.shrink_buffers(send_buffer, 2304);
            relayed.tls.reads = false;
            const auto data = pattern(records * 16384);
            {
                const KernelThreadsWait wait;
                for (std::size_t record = 0; record < records; ++record) {
                    relayed.plain.say(Bytes(data).subspan(record * 16384, 16384));
                    relayed.turn(std::chrono::milliseconds(0));
                    relayed.turn(std::chrono::milliseconds(0));
                }
                relayed.plain.say_end();
                relayed.tls.reads = true;
                relayed.tls.most_per_pump = 16384;
                relayed.tls.pump();  // a little room, before the relay learns of the end
                relayed.tls.most_per_pump = 512;
                for (int turns = 0; turns < 2000 && (relayed.entry.flags & TableEntry::kNotifySent) == 0; ++turns) {
                    relayed.turn(std::chrono::milliseconds(0));
                }
            }
            REQUIRE(relayed.turn_until([&] { return relayed.tls.over(); }));
            CHECK(relayed.tls.received.size() == data.size());
            CHECK((relayed.tls.received == data));
            CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
            CHECK(relayed.tls.ended);
        }
    }

    TEST_CASE_TEMPLATE("a part of a record that waits for room in the kernel is not overtaken by the end", V, Tls12,
                       Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        std::mt19937 random(11);
        for (int round = 0; round < 16; ++round) {
            const int send_buffer = 4096 << (round % 6);
            CAPTURE(send_buffer);
            CAPTURE(round);
            RelayedSession relayed(V::version);
            relayed.shrink_buffers(send_buffer, 8192);
            relayed.tls.reads = false;
            std::vector<std::uint8_t> said;
            const auto say = [&](std::size_t size) {
                const auto data = pattern(size);
                said.insert(said.end(), data.begin(), data.end());
                relayed.plain.say(data);
                relayed.turn_for(std::chrono::milliseconds(4));
            };
            while (relayed.entry.pipe_to_tls == 0) {
                say(1 + random() % 16'000);
            }
            // The reader makes room until the kernel has just taken everything, and then a little more.
            relayed.tls.reads = true;
            relayed.tls.most_per_pump = 512;
            while (relayed.entry.pipe_to_tls != 0) {
                relayed.turn(std::chrono::milliseconds(0));
            }
            relayed.tls.reads = false;
            for (std::size_t more = random() % 4; more > 0; --more) {
                relayed.tls.reads = true;
                relayed.tls.most_per_pump = 1000;
                relayed.turn(std::chrono::milliseconds(0));
                relayed.tls.reads = false;
            }
            relayed.plain.say_end();
            relayed.turn_for(std::chrono::milliseconds(5));
            relayed.tls.reads = true;
            relayed.tls.most_per_pump = 16384;
            REQUIRE(relayed.turn_until([&] { return relayed.tls.over(); }));
            CHECK(relayed.tls.received.size() == said.size());
            CHECK((relayed.tls.received == said));
            CHECK(relayed.tls.alerts == Alerts{AlertDescription::close_notify});
            CHECK(relayed.tls.ended);
        }
    }
}
