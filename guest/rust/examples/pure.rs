//! The world `pure-handler` without the SDK: what a handler looks like on bare wit-bindgen, for
//! whoever brings a type system of their own. Turns the bytes of the payload around.

#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    reason = "generated: the docs are those of the WIT, the ABI needs unsafe"
)]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "pure-handler" });

    struct Reverse;

    impl exports::mongoqueue::jobs::handler::Guest for Reverse {
        fn handle(
            job: mongoqueue::jobs::types::Job,
        ) -> Result<Option<mongoqueue::jobs::types::Payload>, mongoqueue::jobs::types::Failure>
        {
            let mut payload = job.payload;
            payload.content_type = "application/octet-stream".to_owned();
            payload.data.reverse();
            Ok(Some(payload))
        }
    }

    // No native linker takes the export's name for a symbol.
    #[cfg(target_arch = "wasm32")]
    export!(Reverse);
}
