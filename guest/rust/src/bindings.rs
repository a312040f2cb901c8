//! The bindings as wit-bindgen makes them, for what the rest of this crate does not cover.
//!
//! One world with every import and the handler's export serves all kinds of guests: an import
//! that is never called leaves no trace in the component, and the export comes in only with
//! [`handler!`](crate::handler).

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package mongoqueue:guest;
        world sdk {
            include mongoqueue:jobs/imports@0.1.0;
            export mongoqueue:jobs/handler@0.1.0;
        }
    ",
    world: "mongoqueue:guest/sdk",
    generate_all,
    pub_export_macro: true,
    additional_derives: [PartialEq],
});
