//! `torc`: the server.

#[global_allocator]
static ALLOCATOR: node::memory::Counting = node::memory::Counting(mimalloc::MiMalloc);

fn main() {
    std::process::exit(node::start::main());
}
