//! Redis's glob patterns, in bounded time.
