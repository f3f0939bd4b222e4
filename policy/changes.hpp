#pragma once

#include <span>

#include "xfrm/transaction.hpp"

namespace keysluice::policy {

/// Appends what makes the policies in `after` out of those in `before`, step by step: after each step a packet meets
/// either what it meets in `before` or what it meets in `after`, so that one for which both agree never meets
/// anything else.
///
/// New policies come from the most preferred one to the least: whoever meets a new one before all are there meets it
/// for good. Then old ones go from the least preferred one to the most: whom an old one leaves meets none of the
/// others that are still to go. A policy that has its selector in both is replaced in one step: early where it is
/// preferred to what it replaces, since that is hidden behind it, otherwise late.
///
/// Of policies that have the same priority in one set and fit the same packet, the outcome is the same.
void add_changes(std::span<const xfrm::Policy> before, std::span<const xfrm::Policy> after, xfrm::Transaction& into);

}  // namespace keysluice::policy
