#include "daemon/shared/postbox.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace keysluice {

Postbox::Postbox(Loop& loop) : loop_(loop), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)) {
    if (!wake_) {
        std::abort();
    }
    loop_.add(wake_.get(), EPOLLIN, *this);
}

Postbox::~Postbox() {
    loop_.remove(wake_.get(), *this);
}

void Postbox::post(Letter letter) {
    const std::lock_guard lock(mutex_);
    letters_.push_back(std::move(letter));
    const std::uint64_t one = 1;
    // It can only fail when the counter is about to overflow: then the loop is awake.
    static_cast<void>(::write(wake_.get(), &one, sizeof(one)) < 0);
}

void Postbox::on_events(std::uint32_t /*events*/) {
    std::uint64_t count = 0;
    static_cast<void>(::read(wake_.get(), &count, sizeof(count)) < 0);  // one less for each letter
    Letter letter;
    {
        const std::lock_guard lock(mutex_);
        letter = std::move(letters_.front());
        letters_.pop_front();
    }
    letter();
}

}  // namespace keysluice
