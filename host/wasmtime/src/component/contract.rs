//! Whether what a component exports is of the contract's type. wasmtime asks that anew at each
//! attempt, where it would be nobody's fault; here it is the component's, once.

use wasmtime::Engine;
use wasmtime::component::{Component, types::ComponentItem};

use super::imports;
use super::inspect::Kind;
use crate::bindings::types::{Failure, Job, Payload};

type Handled = Result<Option<Payload>, Failure>;
type Ran = Result<(), ()>;

/// Says how a function that has to be there differs.
pub(super) fn check(engine: &Engine, component: &Component, wanted: &Kind) -> Result<(), String> {
    let program = *wanted == Kind::Program;
    let (is_it, name) = if program {
        (imports::is_run as fn(&str) -> bool, "run")
    } else {
        (imports::is_handler as _, "handle")
    };
    let whole = component.component_type();
    let interface = whole.exports(engine).find_map(|(of, item)| match item.ty {
        ComponentItem::ComponentInstance(interface) if is_it(of) => Some(interface),
        _ => None,
    });
    let function = interface.as_ref().and_then(|it| it.get_export(engine, name));
    let Some(ComponentItem::ComponentFunc(function)) = function.map(|item| item.ty) else {
        return Err(format!("it exports no function `{name}`"));
    };
    let types = whole.instance_type();
    let checked = match program {
        true => function.typecheck::<(), (Ran,)>(&types),
        false => function.typecheck::<(&Job,), (Handled,)>(&types),
    };
    checked.map_err(|error| format!("its function `{name}` is of another type: {error:#}"))
}
