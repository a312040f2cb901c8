//! `mongoqueue init`.

use serde_json::json;

use crate::args::Global;
use crate::connect;
use crate::show::{Show, escape};
use crate::trouble::Result;

pub(super) async fn run(global: &Global, show: Show) -> Result<()> {
    let mq = connect::init(global, show).await?;
    let namespace = mq.namespace();
    show.answer(&json!({ "namespace": namespace }), || {
        format!("{} is ready", escape::line(&namespace))
    })
}
