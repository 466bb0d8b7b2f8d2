//! `torc`: the server, and its tools.

#[global_allocator]
static ALLOCATOR: node::memory::Counting = node::memory::Counting(mimalloc::MiMalloc);

fn main() {
    let code = node::tools::main(std::env::args_os()).unwrap_or_else(node::start::main);
    std::process::exit(code);
}
