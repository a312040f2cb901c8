//! From the host's call to the user's function and back.

use crate::bindings::mongoqueue::jobs::types;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::payload::{FromPayload, IntoPayload, output};

/// Makes the crate a handler: `handler!(function);`, once, where the function takes a
/// [`Job<T>`](crate::Job) and returns a [`Result`](crate::Result).
///
/// `T` is a [`FromPayload`], what is returned an [`IntoPayload`], the error anything that turns
/// into an [`Error`](crate::Error).
#[macro_export]
macro_rules! handler {
    ($function:path) => {
        const _: () = {
            struct TheHandler;

            impl $crate::bindings::exports::mongoqueue::jobs::handler::Guest for TheHandler {
                fn handle(
                    job: $crate::bindings::mongoqueue::jobs::types::Job,
                ) -> ::core::result::Result<
                    ::core::option::Option<$crate::Payload>,
                    $crate::bindings::mongoqueue::jobs::types::Failure,
                > {
                    $crate::__run($function, job)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::bindings::export! { TheHandler with_types_in $crate::bindings }
            // No native linker takes the export's name for a symbol; there it is only compiled.
            #[cfg(not(target_arch = "wasm32"))]
            let _ =
                <TheHandler as $crate::bindings::exports::mongoqueue::jobs::handler::Guest>::handle;
        };
    };
}

/// One attempt: reads the payload, calls the function, writes the output or the failure.
pub fn run<T, O, E>(
    function: impl FnOnce(Job<T>) -> Result<O, E>,
    job: types::Job,
) -> Result<Option<types::Payload>, types::Failure>
where
    T: FromPayload,
    O: IntoPayload,
    E: Into<Error>,
{
    let done = Job::read(job).and_then(|job| function(job).map_err(Into::into)).and_then(output);
    Ok(done?)
}

#[cfg(test)]
mod tests {
    use std::num::ParseIntError;
    use std::time::Duration;

    use super::*;
    use crate::error::{release, retry_after};
    use crate::payload::FromPayload;

    fn job(payload: &str) -> types::Job {
        types::Job {
            id: "a1".to_owned(),
            queue: "numbers".to_owned(),
            payload: types::Payload::new("application/json", payload),
            headers: vec![("traceparent".to_owned(), "00-1".to_owned())],
            attempt: 3,
            max_attempts: 3,
            created_at: 1_700_000_000_000,
        }
    }

    fn failure(
        function: impl FnOnce(Job<String>) -> Result<()>,
    ) -> (String, Option<String>, types::Disposition) {
        let failure = run(function, job("\"x\"")).unwrap_err();
        (failure.message, failure.code, failure.disposition)
    }

    #[test]
    fn the_function_sees_the_job_and_its_output_goes_out() {
        let done = run(
            |job: Job<u32>| {
                assert_eq!((job.id.as_str(), job.queue.as_str()), ("a1", "numbers"));
                assert_eq!(job.header("traceparent"), Some("00-1"));
                assert_eq!(job.header("absent"), None);
                assert!(job.is_last_attempt());
                Result::<_>::Ok(job.payload + 1)
            },
            job("41"),
        );
        assert_eq!(done.unwrap(), Some(types::Payload::new("application/json", "42")));
    }

    #[test]
    fn a_function_with_an_error_of_its_own_will_do() {
        fn parse(job: Job<String>) -> Result<u8, ParseIntError> {
            job.payload.parse()
        }
        let failure = run(parse, job("\"300\"")).unwrap_err();
        assert_eq!(failure.message, "number too large to fit in target type");
        assert_eq!(failure.disposition, types::Disposition::Retry);
    }

    #[test]
    fn a_bad_payload_never_reaches_the_function() {
        fn unreached(_: Job<u32>) -> Result<()> {
            unreachable!("the payload is no number")
        }
        let failure = run(unreached, job("\"x\"")).unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("bad-payload"));
        assert_eq!(failure.disposition, types::Disposition::Reject);
    }

    #[test]
    fn failures_keep_what_the_handler_said() {
        let delay = Duration::from_millis(1500);
        assert_eq!(
            failure(|_| Err(retry_after(delay, "busy").code("smtp-450"))),
            ("busy".to_owned(), Some("smtp-450".to_owned()), types::Disposition::RetryAfter(1500))
        );
        assert_eq!(
            failure(|_| Err(release(delay))),
            ("released by the handler".to_owned(), None, types::Disposition::Release(1500))
        );
    }

    #[test]
    fn other_formats_can_be_added() {
        struct Csv(Vec<String>);
        impl FromPayload for Csv {
            fn from_payload(payload: types::Payload) -> Result<Self> {
                let line = String::from_utf8(payload.data)?;
                Ok(Csv(line.split(',').map(str::to_owned).collect()))
            }
        }
        let done = run(|job: Job<Csv>| Result::<_>::Ok(job.payload.0.len()), job("a,b,c"));
        assert_eq!(done.unwrap(), Some(types::Payload::new("application/json", "3")));
    }
}
