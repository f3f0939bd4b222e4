#pragma once

// How the kernel's scheduler treats the calling thread: sched_setattr(2). A sandbox may forbid it, and that is no
// harm.

namespace keysluice {

/// For a thread that does little at a time while others wait for it: it asks for slices of 0.1 ms, the shortest there
/// are, and so runs sooner after it wakes up beside busy threads; its share stays what it is. Before Linux 6.12 this
/// changes nothing.
void run_soon();

/// For a thread whose work can wait: it has a third of the weight of others.
void run_behind();

}  // namespace keysluice
