#pragma once

#include <memory>
#include <new>

#include "tls/openssl.hpp"

namespace keysluice::tls {

/// Gives an object to a context, which keeps it for as long as any of its sessions lives; one of each type.
template <typename T>
const T* keep(SSL_CTX* context, std::unique_ptr<const T> object) {
    static const int index =
        SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr,
                                 [](void* /*parent*/, void* kept, CRYPTO_EX_DATA* /*data*/, int /*index*/,
                                    long /*number*/, void* /*argument*/) { delete static_cast<const T*>(kept); });
    if (SSL_CTX_set_ex_data(context, index, const_cast<T*>(object.get())) != 1) {
        throw std::bad_alloc();
    }
    return object.release();
}

}  // namespace keysluice::tls
