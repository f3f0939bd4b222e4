#include "tls/wire.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "crypto/openssl.hpp"

namespace keysluice::tls {

namespace {

int read_wire(BIO* bio, char* into, std::size_t size, std::size_t* count) {
    auto* wire = static_cast<Wire*>(BIO_get_data(bio));
    *count = wire->read({reinterpret_cast<std::uint8_t*>(into), size});
    BIO_clear_retry_flags(bio);
    if (*count == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    return 1;
}

int write_wire(BIO* bio, const char* from, std::size_t size, std::size_t* count) {
    static_cast<Wire*>(BIO_get_data(bio))->write({reinterpret_cast<const std::uint8_t*>(from), size});
    BIO_clear_retry_flags(bio);
    *count = size;
    return 1;
}

long control_wire(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
    // Flushing has nothing to do; every other command, those about kTLS among them, is "not supported".
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* make_method() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "keysluice wire");
    if (method != nullptr) {
        BIO_meth_set_read_ex(method, read_wire);
        BIO_meth_set_write_ex(method, write_wire);
        BIO_meth_set_ctrl(method, control_wire);
    }
    return method;
}

}  // namespace

void Wire::sent(std::size_t count) {
    sent_ += std::min(count, output_.size() - sent_);
    if (sent_ == output_.size()) {
        output_ = std::vector<std::uint8_t>();  // "= {}" would keep the memory
        sent_ = 0;
    }
}

std::size_t Wire::read(MutableBytes into) {
    const std::size_t count = std::min(into.size(), input.size());
    std::copy_n(input.begin(), count, into.begin());
    input = input.subspan(count);
    return count;
}

void Wire::write(Bytes bytes) {
    output_.insert(output_.end(), bytes.begin(), bytes.end());
}

BIO* new_bio(Wire& wire) {
    static const std::unique_ptr<BIO_METHOD, crypto::Free<BIO_meth_free>> method{make_method()};
    BIO* bio = method ? BIO_new(method.get()) : nullptr;
    if (bio != nullptr) {
        BIO_set_data(bio, &wire);
        BIO_set_init(bio, 1);
    }
    return bio;
}

}  // namespace keysluice::tls
