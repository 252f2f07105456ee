//! A body whose messages become others as they arrive: inflated, or converted from or to JSON.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

use crate::admission::CallPermit;
use crate::error::Result;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that a translator reads; without one it passes as it is.
pub struct TranslatedBody<B> {
    inner: B,
    translated: Option<Box<Translated>>,
}

struct Translated {
    translator: Box<dyn Translator>,
    queue: Queue,
    has_ended: bool,
}

/// What a translator reads and writes.
#[derive(Default)]
pub(super) struct Queue {
    /// What has arrived and is not read yet.
    pub(super) input: Bytes,
    /// What is translated and not passed on yet.
    pub(super) ready: VecDeque<Bytes>,
    /// Ends when a bulk load may be read on.
    wait: Option<BoxFuture<'static, ()>>,
}

/// Reads the bytes of a body, and writes others. An error is the status of the call.
pub(super) trait Translator: Send {
    /// Reads a part of the input, which is not empty.
    fn step(&mut self, queue: &mut Queue) -> Result<Step>;

    /// Ends the body when all of the input is read.
    fn end(&mut self, queue: &mut Queue) -> Result<()>;
}

/// What a step has done.
pub(super) enum Step {
    /// It has split, copied or passed bytes.
    Passed,
    /// It has computed for a while.
    Computed,
}

// === impl TranslatedBody ===

impl<B> TranslatedBody<B> {
    pub(super) fn new(inner: B, translator: Option<Box<dyn Translator>>) -> Self {
        let translated = translator.map(|translator| {
            Box::new(Translated {
                translator,
                queue: Queue::default(),
                has_ended: false,
            })
        });
        Self { inner, translated }
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for TranslatedBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, BoxError>>> {
        let TranslatedBody { inner, translated } = &mut *self;
        let Some(translated) = translated else {
            let frame = ready!(Pin::new(inner).poll_frame(context));
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        };
        loop {
            if let Some(data) = translated.queue.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if translated.has_ended {
                return Poll::Ready(None);
            }
            ready!(translated.queue.poll_wait(context));
            let outcome = if translated.queue.input.is_empty() {
                match ready!(Pin::new(&mut *inner).poll_frame(context)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => {
                            translated.queue.input = data;
                            continue;
                        }
                        Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                    },
                    Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                    None => translated.end(),
                }
            } else {
                translated.step()
            };
            match outcome {
                Ok(Step::Passed) => {}
                Ok(Step::Computed) if !translated.queue.ready.is_empty() => {}
                // Other tasks of this thread come first.
                Ok(Step::Computed) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Err(status) => return Poll::Ready(Some(Err(status))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.translated.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.translated {
            None => self.inner.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}

impl<B> std::fmt::Debug for TranslatedBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TranslatedBody").finish_non_exhaustive()
    }
}

// === impl Translated ===

impl Translated {
    fn step(&mut self) -> std::result::Result<Step, BoxError> {
        let step = self.translator.step(&mut self.queue);
        step.map_err(|error| self.fail(error))
    }

    fn end(&mut self) -> std::result::Result<Step, BoxError> {
        self.has_ended = true;
        let end = self.translator.end(&mut self.queue);
        end.map(|()| Step::Passed).map_err(|error| self.fail(error))
    }

    /// Ends the body with an error, which tonic makes the status of the call.
    fn fail(&mut self, error: crate::error::Error) -> BoxError {
        self.has_ended = true;
        self.queue = Queue::default();
        Box::new(Status::from(error))
    }
}

// === impl Queue ===

impl Queue {
    /// Charges a call for what a step has made of its bytes. A bulk load beyond its share waits
    /// before it reads on.
    pub(super) fn charge(&mut self, permit: &CallPermit, bytes: usize) -> Result<()> {
        if !permit.charge_arrived(bytes)? {
            let permit = permit.clone();
            self.wait = Some(async move { permit.wait_to_read_on().await }.boxed());
        }
        Ok(())
    }

    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.poll_unpin(context));
            self.wait = None;
        }
        Poll::Ready(())
    }
}
