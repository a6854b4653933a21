//! Whose fault an answer is.

use http::StatusCode;

use super::Answer;

impl Answer {
    /// What is wrong with the upstream, if this answer stands in for one that it did not give.
    pub fn blames_upstream(&self) -> Option<&str> {
        let blames =
            matches!(self.code.status(), StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
        blames.then_some(&*self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Code;
    use super::*;

    #[test]
    fn the_upstream_is_blamed_for_what_it_did_not_answer() {
        for code in Code::ALL {
            let blames = Answer::new(*code).blames_upstream().is_some();
            assert_eq!(blames, code.as_str().starts_with("upstream_"), "{code:?}");
        }
    }
}
