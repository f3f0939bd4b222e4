#pragma once

#include <openssl/bio.h>

#include <vector>

#include "base/bytes.hpp"

namespace keysluice::tls {

/// The two ends of a connection as OpenSSL sees them: bytes that came, read where they lie, and bytes to be sent.
///
/// The input is borrowed: whoever sets it keeps the range alive until OpenSSL has read it all.
class Wire {
   public:
    Bytes input;

    [[nodiscard]] Bytes output() const { return Bytes(output_).subspan(sent_); }
    /// `count` bytes of output() are on their way. Drained, it gives its memory back: an idle connection holds none.
    void sent(std::size_t count);

    /// The next bytes of the input, at most what fits.
    std::size_t read(MutableBytes into);
    void write(Bytes bytes);

   private:
    std::vector<std::uint8_t> output_;
    std::size_t sent_ = 0;
};

/// A BIO over `wire`, which must outlive it and stay in its place. The caller owns the BIO. Null: no memory.
BIO* new_bio(Wire& wire);

}  // namespace keysluice::tls
