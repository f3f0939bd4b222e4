#include "daemon/relay/pipe_pool.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace keysluice {

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
    return pipe.get();
}

SplicePipe* PipePool::find(PipeId id) {
    return id.value < pipes_.size() ? pipes_[id.value].get() : nullptr;
}

}  // namespace keysluice
