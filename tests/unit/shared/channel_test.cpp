#include "daemon/shared/channel.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>
#include <memory>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

/// Two mailboxes that talk to each other.
struct Line {
    Line() : Line(seqpacket_pair()) {}
    explicit Line(FdPair ends) : near(loop, std::move(ends.first)), far(loop, std::move(ends.second)) {}

    Loop loop;
    Mailbox near;
    Mailbox far;
};

/// A mailbox and the bare socket at its other end.
struct BareLine {
    BareLine() : BareLine(seqpacket_pair()) {}
    explicit BareLine(FdPair ends) : near(loop, std::move(ends.first)), far(std::move(ends.second)) {}

    void write(Bytes packet) const {
        REQUIRE(::send(far.get(), packet.data(), packet.size(), MSG_DONTWAIT) == static_cast<ssize_t>(packet.size()));
    }

    Loop loop;
    Mailbox near;
    UniqueFd far;
};

/// Sends until the kernel takes no more and one message waits.
std::uint32_t send_until_queued(Channel& channel) {
    std::uint32_t sent = 0;
    while (channel.queued() == 0) {
        REQUIRE(channel.send(AskCounters{sent++}));
    }
    return sent;
}

/// As few descriptors as this process has now, and `more`.
class DescriptorLimit {
   public:
    explicit DescriptorLimit(rlim_t more) {
        REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const UniqueFd lowest(::dup(0));
        rlimit low = before_;
        low.rlim_cur = static_cast<rlim_t>(lowest.get()) + more;
        REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    }
    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;
    ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

   private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("messages arrive in order, with their descriptors, in both directions") {
    Line line;
    Token token;
    CHECK(line.near.channel.send(Attach{{1}}, token.give()));
    CHECK(line.near.channel.send(Draining{}));
    CHECK(line.far.channel.send(Table{}));
    settle(line.loop);
    REQUIRE(line.far.mail.size() == 2);
    CHECK(line.far.at<Attach>(0).slot.value == 1);
    REQUIRE(line.far.mail[0].descriptors.size() == 1);
    CHECK(token.is_other_end(line.far.mail[0].descriptors[0].get()));
    CHECK((fcntl(line.far.mail[0].descriptors[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(line.far.count<Draining>() == 1);
    CHECK(line.near.count<Table>() == 1);
    line.far.mail.clear();
    CHECK(token.let_go());
}

TEST_CASE("what the other end does not take at once waits, stays in order, and says when it has left") {
    Line line;
    std::uint32_t sent = send_until_queued(line.near.channel);
    for (int i = 0; i < 100; ++i) {
        REQUIRE(line.near.channel.send(AskCounters{sent++}));
    }
    CHECK(line.near.channel.queued() == 101);
    CHECK(line.near.drained == 0);
    turn_until(line.loop, [&] { return line.far.mail.size() == sent; });
    for (std::uint32_t i = 0; i < sent; ++i) {
        REQUIRE(line.far.at<AskCounters>(i).token == i);
    }
    CHECK(line.near.channel.queued() == 0);
    CHECK(line.near.drained == 1);
}

TEST_CASE("the queue is bounded, and what does not fit is refused with its descriptors closed") {
    BareLine line;
    send_until_queued(line.near.channel);
    while (line.near.channel.queued() < Channel::kLongestQueue) {
        REQUIRE(line.near.channel.send(Draining{}));
    }
    Token token;
    CHECK_FALSE(line.near.channel.send(Attach{{1}}, token.give()));
    CHECK(token.let_go());
    CHECK(line.near.channel.queued() == Channel::kLongestQueue);
    CHECK(line.near.channel.open());
}

TEST_CASE("descriptors that wait in the queue are closed with the channel") {
    Loop loop;
    auto [near, far] = seqpacket_pair();
    auto mailbox = std::make_unique<Mailbox>(loop, std::move(near));
    send_until_queued(mailbox->channel);
    Token token;
    CHECK(mailbox->channel.send(Attach{{1}}, token.give()));
    CHECK_FALSE(token.let_go());
    SUBCASE("when it is destroyed") {
        mailbox.reset();
    }
    SUBCASE("when the other end is gone") {
        far.reset();
        settle(loop);
        CHECK_FALSE(mailbox->channel.open());
    }
    CHECK(token.let_go());
}

TEST_CASE("a message takes as many descriptors as a service has, and not one more") {
    Line line;
    Token token;
    Descriptors many;
    while (many.size() < Channel::kMostDescriptors) {
        many.emplace_back(::dup(token.theirs.get()));
    }
    CHECK(line.near.channel.send(Service{}, std::move(many)));
    settle(line.loop);
    REQUIRE(line.far.mail.size() == 1);
    CHECK(line.far.mail[0].descriptors.size() == Channel::kMostDescriptors);

    Descriptors too_many;
    while (too_many.size() <= Channel::kMostDescriptors) {
        too_many.emplace_back(::dup(token.theirs.get()));
    }
    line.far.mail.clear();
    token.theirs.reset();
    CHECK_FALSE(line.near.channel.send(Service{}, std::move(too_many)));
    CHECK(token.let_go());
    settle(line.loop);
    CHECK(line.far.mail.empty());
    CHECK(line.near.channel.open());
}

TEST_CASE("a duplicate that could not be made is not sent") {
    Line line;
    CHECK_FALSE(line.near.channel.send(Attach{{1}}, descriptors(UniqueFd())));
    settle(line.loop);
    CHECK(line.far.mail.empty());
}

TEST_CASE("the owner hears that the other end is gone, after what it had said") {
    BareLine line;
    line.write(encode(Draining{}));
    line.far.reset();
    settle(line.loop);
    CHECK(line.near.count<Draining>() == 1);
    CHECK(line.near.why == "the process at the other end is gone");
    CHECK_FALSE(line.near.channel.open());
    Token token;
    CHECK_FALSE(line.near.channel.send(Attach{{1}}, token.give()));
    CHECK(token.let_go());
}

TEST_CASE("a packet that breaks the format closes the channel") {
    BareLine line;
    line.write(encode(Draining{}));
    line.write(as_bytes("rubbish"));
    line.write(encode(Draining{}));
    settle(line.loop);
    CHECK(line.near.mail.size() == 1);
    CHECK(line.near.why.find("format 114") != std::string::npos);
    CHECK_FALSE(line.near.channel.open());
}

TEST_CASE("a packet that is longer than any message closes the channel") {
    BareLine line;
    const std::vector<std::uint8_t> packet(65 * 1024, 1);
    line.write(packet);
    settle(line.loop);
    CHECK(line.near.mail.empty());
    CHECK(line.near.why.find("cut off") != std::string::npos);
}

TEST_CASE("a message whose descriptors don't fit into this process is not acted upon") {
    BareLine line;
    Token first;
    Token second;
    {
        Loop loop;
        Mailbox sender(loop, std::move(line.far));
        CHECK(sender.channel.send(Handover{5, false, {{1}, true}},
                                  descriptors(std::move(first.theirs), std::move(second.theirs))));
    }
    {
        const DescriptorLimit one_more(1);
        line.loop.turn(Duration::zero());
    }
    CHECK(line.near.mail.empty());
    CHECK(line.near.why.find("no descriptors left") != std::string::npos);
    // The half that did arrive is closed too.
    CHECK(first.let_go());
    CHECK(second.let_go());
}

TEST_CASE("a channel that isn't read lets the sender wait") {
    Line line;
    line.far.channel.set_reading(false);
    CHECK(line.near.channel.send(Draining{}));
    settle(line.loop);
    CHECK(line.far.mail.empty());
    line.far.channel.set_reading(true);
    settle(line.loop);
    CHECK(line.far.mail.size() == 1);
}

TEST_CASE("the death of the other end is noticed even while it isn't read") {
    BareLine line;
    line.near.channel.set_reading(false);
    line.write(encode(Draining{}));
    line.far.reset();
    settle(line.loop);
    CHECK(line.near.count<Draining>() == 1);
    CHECK_FALSE(line.near.channel.open());
}

TEST_CASE("a channel knows the user at its other end") {
    BareLine line;
    CHECK(line.near.channel.peer_uid() == geteuid());
}

TEST_CASE("channels are accepted on a path") {
    const RuntimeFolder folder;
    const std::string path = folder / "keeper.sock";
    Loop loop;
    std::ofstream(path) << "left behind";
    auto bound = ChannelListener::bind(path);
    REQUIRE(bound);
    std::vector<UniqueFd> accepted;
    const ChannelListener listener(loop, std::move(*bound),
                                   [&](UniqueFd one) { accepted.push_back(std::move(one)); });
    auto connected = connect_channel(path);
    REQUIRE(connected);
    settle(loop);
    REQUIRE(accepted.size() == 1);
    Mailbox near(loop, std::move(*connected));
    Mailbox far(loop, std::move(accepted[0]));
    CHECK(near.channel.send(Draining{}));
    settle(loop);
    CHECK(far.count<Draining>() == 1);
}

TEST_CASE("paths on which nobody listens or can listen") {
    const RuntimeFolder folder;
    const auto nobody = connect_channel(folder / "keeper.sock");
    REQUIRE_FALSE(nobody);
    CHECK(nobody.error().reason == "channel-unreachable");
    CHECK(nobody.error().sentence == folder / "keeper.sock" + ": No such file or directory");

    const auto no_folder = ChannelListener::bind(folder / "missing/keeper.sock");
    REQUIRE_FALSE(no_folder);
    CHECK(no_folder.error().reason == "channel-bind-failed");
    CHECK(no_folder.error().sentence.find("does the directory exist") != std::string::npos);

    const std::string long_path = folder / std::string(120, 'x');
    for (const std::string_view reason :
         {connect_channel(long_path).error().reason, ChannelListener::bind(long_path).error().reason}) {
        CHECK(reason == "path-too-long");
    }
}
