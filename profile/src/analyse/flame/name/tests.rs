use proptest::prelude::*;

use super::*;

#[test]
fn a_method_is_of_its_types_crate() {
    for (name, of) in [
        ("hyper::client::dispatch::Sender<T,U>::poll_ready", "hyper"),
        ("<hyper::client::conn::http1::SendRequest<B> as Foo>::bar::{{closure}}", "hyper"),
        (
            "<exportpool_consumer::aws::S as exportpool_consumer::ports::L>::claim::{{closure}}",
            "exportpool_consumer",
        ),
        ("<&mut dyn mio::Source as tokio::Poll>::poll", "mio"),
        ("<std::sys::thread::unix::Thread>::new::thread_start", "std"),
        ("a::b::<impl c::D for e::F>::g", "a"),
        ("<impl c::D for e::F>::g", "e"),
        ("core::ptr::drop_in_place<aws_sdk_s3::Client>", "core"),
        ("<F as futures_core::future::TryFuture>::try_poll", "futures_core"),
        ("<T as alloc::slice::<impl [T]>::to_vec_in::ConvertVec>::to_vec", "alloc"),
        ("<[u8] as ring::Digest>::of", "ring"),
        ("<<F as tower::Service>::Future as core::Future>::poll", "tower"),
        ("<Fn(A) -> B as http::Go>::go", "http"),
        ("<fn(a::A) -> b::B as http::Go>::go", "http"),
        ("<[T]>::sort", "core"),
        ("<T>::sort", "core"),
    ] {
        assert_eq!(crate_of(name), of, "{name}");
    }
}

#[test]
fn a_c_function_is_of_the_library_that_has_it() {
    for (name, of) in [
        ("_rjem_je_arena_ralloc_no_move", "jemalloc"),
        ("arena_ralloc_move_helper", "jemalloc"),
        ("__libc_malloc", "jemalloc"),
        ("malloc", "jemalloc"),
        ("__rust_alloc", "jemalloc"),
        ("ring_core_0_17_14__x25519_fe_mul", "ring"),
        ("aws_lc_0_30_0_aes_gcm", "aws-lc"),
        ("aesni_gcm_encrypt", "ring"),
        ("__memcpy_avx512_unaligned_erms", "libc"),
        ("epoll_wait", "libc"),
        ("__rust_try", "std"),
        ("main", "std"),
        ("", "unknown"),
    ] {
        assert_eq!(crate_of(name), of, "{name}");
    }
}

#[test]
fn what_the_language_does_is_for_its_caller() {
    for (name, kind) in [
        ("alloc::vec::Vec<T,A>::push", None),
        ("__memcpy_avx512_unaligned_erms", None),
        ("std::thread::local::LocalKey<T>::with", None),
        ("", None),
        ("std::sync::mpmc::Receiver<T>::recv", Some(Kind::Runtime)),
        ("<std::sync::Mutex<T> as core::Any>::f", Some(Kind::Runtime)),
        ("tokio::runtime::task::raw::poll", Some(Kind::Runtime)),
        ("_rjem_malloc", Some(Kind::Allocator)),
        ("serde_json::de::Deserializer<R>::parse", Some(Kind::Json)),
        ("aws_smithy_json::deserialize::JsonTokenIterator::peek_byte", Some(Kind::Json)),
        ("<exportpool_contract::Job as serde::Deserialize>::deserialize", Some(Kind::Json)),
        ("aws_sigv4::http_request::sign::sign", Some(Kind::Tls)),
        ("rustls_pki_types::Der::from", Some(Kind::Tls)),
        ("crc_fast::arch::update", Some(Kind::Checksums)),
        ("aws_smithy_runtime::client::orchestrator::invoke", Some(Kind::AwsSdk)),
        ("http::header::map::HeaderMap<T>::insert", Some(Kind::Http)),
        ("exportpool_consumer::work::worker::run::{{closure}}", Some(Kind::Ours)),
        ("jiff::tz::TimeZone::get", Some(Kind::Other)),
    ] {
        assert_eq!(kind_of(name), kind, "{name}");
    }
}

#[test]
fn closures_are_of_the_function_that_they_are_in() {
    assert_eq!(without_closures("a::B<C>::d::{{closure}}::{{closure}}"), "a::B<C>::d");
    assert_eq!(without_closures("a::b::{closure#0}"), "a::b");
    assert_eq!(last_part("a::B::run::{{closure}}"), "run");
    assert_eq!(last_part("main"), "main");
}

proptest! {
    #[test]
    fn whatever_a_name_is_it_is_of_some_crate(name in "[<>&a-c:,() {}\\[\\]é-]{0,40}|<{0,200}a::b") {
        prop_assert!(name.is_empty() || !crate_of(&name).is_empty());
        let _ = (kind_of(&name), last_part(&name));
    }
}
