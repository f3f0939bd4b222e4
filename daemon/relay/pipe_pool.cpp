#include "daemon/relay/pipe_pool.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <fstream>

namespace keysluice {

namespace {

/// Four times the stock size: room for several records, each of which may come in many small pieces.
constexpr int kPipeBytes = 256 * 1024;
constexpr int kPageBytes = 4096;

/// One splice fills at most so many slots of a pipe: MAX_SKB_FRAGS (net/core/skbuff.c, skb_splice_bits), which a
/// kernel may be built with up to 45 of.
std::size_t most_slots_a_splice() {
    static const std::size_t most = [] {
        std::size_t frags = 0;
        std::ifstream("/proc/sys/net/core/max_skb_frags") >> frags;
        return frags >= 17 && frags <= 45 ? frags : 45;
    }();
    return most;
}

std::size_t certain_fills_of(const UniqueFd& pipe) {
    const int bytes = fcntl(pipe.get(), F_GETPIPE_SZ);
    const auto slots = static_cast<std::size_t>(bytes > 0 ? bytes / kPageBytes : 1);
    return (slots - 1) / most_slots_a_splice();
}

}  // namespace

PipePool::PipePool(OnMade on_made) : on_made_(std::move(on_made)) {
    // Now: a relay that has confined itself opens no file.
    static_cast<void>(most_slots_a_splice());
}

SplicePipe* PipePool::borrow() {
    if (!free_.empty()) {
        SplicePipe* pipe = free_.back();
        free_.pop_back();
        return pipe;
    }
    std::array<int, 2> ends{-1, -1};
    if (pipes_.size() >= kMost || pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
        return nullptr;
    }
    auto& pipe = pipes_.emplace_back(std::make_unique<SplicePipe>());
    pipe->id = {static_cast<std::uint16_t>(pipes_.size() - 1)};
    pipe->read_end.reset(ends[0]);
    pipe->write_end.reset(ends[1]);
    // Beyond pipe-user-pages-soft the kernel refuses: the pipe works as it is.
    static_cast<void>(fcntl(pipe->write_end.get(), F_SETPIPE_SZ, kPipeBytes));
    pipe->certain_fills = certain_fills_of(pipe->write_end);
    on_made_(*pipe);
    return pipe.get();
}

void PipePool::empty_and_give_back(SplicePipe* pipe) {
    static thread_local std::array<char, 16UL * 1024> rubbish;
    while (read(pipe->read_end.get(), rubbish.data(), rubbish.size()) > 0) {
    }
    give_back(pipe);
}

SplicePipe* PipePool::inherit(PipeId id, UniqueFd read_end, UniqueFd write_end) {
    // Pipes are numbered in the order in which they were made, and the keeper tells them in that order.
    if (id.value != pipes_.size()) {
        return nullptr;
    }
    auto& pipe = pipes_.emplace_back(std::make_unique<SplicePipe>());
    pipe->id = id;
    pipe->read_end = std::move(read_end);
    pipe->write_end = std::move(write_end);
    pipe->certain_fills = certain_fills_of(pipe->write_end);
    return pipe.get();
}

SplicePipe* PipePool::find(PipeId id) {
    return id.value < pipes_.size() ? pipes_[id.value].get() : nullptr;
}

}  // namespace keysluice
