#pragma once

#include <memory>
#include <new>

#include "tls/openssl.hpp"

namespace keysluice::tls {

/// The place for objects of a type in contexts.
template <typename T>
int index_of_kept() {
    static const int index =
        SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr,
                                 [](void* /*parent*/, void* kept, CRYPTO_EX_DATA* /*data*/, int /*index*/,
                                    long /*number*/, void* /*argument*/) { delete static_cast<const T*>(kept); });
    return index;
}

/// Gives an object to a context, which keeps it for as long as any of its sessions lives; one of each type.
template <typename T>
const T* keep(SSL_CTX* context, std::unique_ptr<const T> object) {
    if (SSL_CTX_set_ex_data(context, index_of_kept<T>(), const_cast<T*>(object.get())) != 1) {
        throw std::bad_alloc();
    }
    return object.release();
}

/// The one that it keeps; null: none.
template <typename T>
const T* kept_by(const SSL_CTX* context) {
    return static_cast<const T*>(SSL_CTX_get_ex_data(context, index_of_kept<T>()));
}

}  // namespace keysluice::tls
