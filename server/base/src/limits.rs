//! Every buffer, queue and table that a client can fill has its bound here.

/// Redis: an inline command, or a header line, longer than this is a protocol error.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// Redis: `*n` beyond this is "invalid multibulk length".
pub const MULTIBULK_WORDS_MAX: i64 = i32::MAX as i64;
/// Redis before AUTH: `*n` beyond this is "unauthenticated multibulk length".
pub const MULTIBULK_WORDS_MAX_UNAUTHENTICATED: i64 = 10;
/// Redis before AUTH: `$n` beyond this is "unauthenticated bulk length".
pub const BULK_BYTES_MAX_UNAUTHENTICATED: i64 = 16384;
/// memcached's KEY_MAX_LENGTH.
pub const MEMCACHE_KEY_BYTES_MAX: usize = 250;
/// memcached: a command line without an end longer than this is "line too long"-like abuse and closes the connection,
/// unless it is a `get` or `gets` of many keys.
pub const MEMCACHE_LINE_BYTES_MAX: usize = 2048;
/// A multi-get line may be longer (memcached has no bound there): about 16,000 of the longest keys.
pub const MEMCACHE_GET_LINE_BYTES_MAX: usize = 4 << 20;
/// Values from this size on are kept in an allocation of their own, lent to replies without a copy.
pub const SHARED_VALUE_BYTES_MIN: usize = 16 * 1024;
/// No command may hold a shard longer than about this.
pub const SLICE_US: u64 = 200;
