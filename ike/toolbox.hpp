#pragma once

#include "crypto/cipher.hpp"
#include "crypto/legacy.hpp"
#include "crypto/mac.hpp"

namespace keysluice::ike {

/// The cryptographic contexts that all SAs of a thread share.
struct Toolbox {
    crypto::Macs macs;
    crypto::Ciphers ciphers;
    crypto::LegacyAlgorithms legacy;
};

}  // namespace keysluice::ike
