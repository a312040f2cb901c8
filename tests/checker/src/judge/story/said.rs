//! What the processes said, sorted by job.

use std::collections::HashMap;

use super::{How, Story};
use crate::history::{Answer, Event, PutAnswer, PutJob, Verdict};

/// A put of one job, and what was answered.
#[derive(Clone, Copy)]
pub(in crate::judge) struct Puts<'a> {
    pub(in crate::judge) job: &'a PutJob,
    /// `None` for a call without an answer.
    pub(in crate::judge) answer: Option<&'a PutAnswer>,
    /// The lines of the call and the answer.
    pub(in crate::judge) lines: (usize, Option<usize>),
}

impl Puts<'_> {
    /// It, or the same put before, has been done.
    pub(in crate::judge) fn is_yes(&self) -> bool {
        matches!(self.answer, Some(PutAnswer::Created | PutAnswer::Existed))
    }

    /// It has not been done.
    pub(in crate::judge) fn is_no(&self) -> bool {
        matches!(self.answer, Some(PutAnswer::Refused { .. } | PutAnswer::Failed { .. }))
    }
}

/// A call under a claim, and what was answered.
#[derive(Clone, Copy)]
pub(in crate::judge) struct Call<'a> {
    pub(in crate::judge) token: &'a str,
    pub(in crate::judge) what: What,
    /// `None` for a call without an answer.
    pub(in crate::judge) answer: Option<&'a Answer>,
    /// The line of the call, if there was one: the end of an attempt that was cut off has only an
    /// answer.
    pub(in crate::judge) called: Option<usize>,
    pub(in crate::judge) answered: Option<usize>,
}

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::judge) enum What {
    /// What the attempt came to, and what was written by the answer: the queue may refuse an
    /// output.
    Settle {
        returned: Option<Verdict>,
        told: Option<Verdict>,
    },
    Save(u64),
    Heartbeat,
}

impl Verdict {
    /// The ends of a claim that it may be told of.
    pub(in crate::judge) fn fits(self, how: How) -> bool {
        match self {
            Self::Completed => how == How::Completed,
            Self::Failed | Self::Rejected => how == How::Failed,
            Self::Released | Self::HandedBack => how == How::Returned,
            Self::Unknown => true,
        }
    }
}

impl Call<'_> {
    /// What was settled, as far as is known.
    pub(in crate::judge) fn verdict(&self) -> Option<Verdict> {
        let What::Settle { returned, told } = self.what else { return None };
        told.filter(|told| *told != Verdict::Unknown).or(returned)
    }
}

impl<'a> Story<'a> {
    /// Hands each line to the job that it is about.
    pub(super) fn listen(&mut self) {
        let history = self.history;
        let mut puts: HashMap<(&'a str, u64), (usize, &'a [PutJob])> = HashMap::new();
        for (index, line) in history.lines.iter().enumerate() {
            let process = &*line.process;
            match &line.event {
                Event::PutCall { call, jobs } => {
                    puts.insert((process, *call), (index, jobs));
                    for job in jobs {
                        let put = Puts { job, answer: None, lines: (index, None) };
                        self.job_mut(&job.id).puts.push(put);
                    }
                }
                Event::PutAnswer { call, answers } => {
                    let Some((called, jobs)) = puts.remove(&(process, *call)) else { continue };
                    for (job, answer) in jobs.iter().zip(answers) {
                        let known = &mut self.job_mut(&job.id).puts;
                        if let Some(put) = known.iter_mut().find(|put| put.lines.0 == called) {
                            *put = Puts {
                                job,
                                answer: Some(answer).filter(|it| **it != PutAnswer::Unknown),
                                lines: (called, Some(index)),
                            };
                        }
                    }
                }
                event => {
                    if let Some(job) = event.job() {
                        self.job_mut(job).lines.push(index);
                    }
                }
            }
        }
    }

    /// The calls under claims on a job, with their answers.
    pub(in crate::judge) fn calls(&self, job: &super::JobStory<'_>) -> Vec<Call<'a>> {
        let mut calls: Vec<(&'a str, Call<'a>)> = Vec::new();
        for (index, line) in self.lines(job) {
            let process = &*line.process;
            let call = |token: &'a str, what| {
                let called = Some(index);
                (process, Call { token, what, answer: None, called, answered: None })
            };
            match &line.event {
                Event::SettleCall { token, verdict, .. } => {
                    let what = What::Settle { returned: Some(*verdict), told: None };
                    calls.push(call(token, what));
                }
                Event::SaveCall { token, value, .. } => calls.push(call(token, What::Save(*value))),
                Event::HeartbeatCall { token, .. } => calls.push(call(token, What::Heartbeat)),
                Event::SettleAnswer { token, verdict, answer, .. } => {
                    let settles = |what: &What| matches!(what, What::Settle { .. });
                    let open = open(&mut calls, process, token, settles);
                    let told = Some(*verdict);
                    match open {
                        Some(open) => {
                            if let What::Settle { told: said, .. } = &mut open.what {
                                *said = told;
                            }
                            open.answer(index, answer);
                        }
                        None => {
                            let what = What::Settle { returned: None, told };
                            let mut alone = call(token, what);
                            alone.1.called = None;
                            alone.1.answer(index, answer);
                            calls.push(alone);
                        }
                    }
                }
                Event::SaveAnswer { token, value, answer, .. } => {
                    let saves = |what: &What| *what == What::Save(*value);
                    if let Some(open) = open(&mut calls, process, token, saves) {
                        open.answer(index, answer);
                    }
                }
                Event::HeartbeatAnswer { token, answer, .. } => {
                    let beats = |what: &What| *what == What::Heartbeat;
                    if let Some(open) = open(&mut calls, process, token, beats) {
                        open.answer(index, answer);
                    }
                }
                _ => {}
            }
        }
        calls.into_iter().map(|(_, call)| call).collect()
    }
}

impl<'a> Call<'a> {
    fn answer(&mut self, line: usize, answer: &'a Answer) {
        self.answer = Some(answer).filter(|answer| **answer != Answer::Unknown);
        self.answered = Some(line);
    }
}

/// The last such call of the process that has no answer yet.
fn open<'b, 'a>(
    calls: &'b mut [(&'a str, Call<'a>)],
    process: &str,
    token: &str,
    fits: impl Fn(&What) -> bool,
) -> Option<&'b mut Call<'a>> {
    let open = calls.iter_mut().rev().find(|(by, call)| {
        *by == process && call.token == token && call.answered.is_none() && fits(&call.what)
    });
    open.map(|(_, call)| call)
}

impl Call<'_> {
    /// The end of a claim.
    pub(in crate::judge) fn is_settlement(&self) -> bool {
        matches!(self.what, What::Settle { .. })
    }
}
