/// A bench binary.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: &'static str,
    /// What `test-servers` calls it.
    pub(super) wants: Option<&'static str>,
    counts: Counts,
}

/// Whether the counting programs have something to say about its cases.
#[derive(Debug, PartialEq, Eq)]
enum Counts {
    No,
    Yes,
}

impl Question {
    /// One that needs nothing but this process.
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            wants: None,
            counts: Counts::No,
        }
    }

    const fn counted(mut self) -> Self {
        self.counts = Counts::Yes;
        self
    }

    const fn wants(mut self, server: &'static str) -> Self {
        self.wants = Some(server);
        self
    }
}

/// All of them, in the order of the table.
const QUESTIONS: &[Question] = &[
    Question::new("hit").counted(),
    Question::new("loads").counted(),
    Question::new("write").counted(),
    Question::new("refill").counted(),
    Question::new("sled").counted(),
    Question::new("redis").wants("redis"),
    Question::new("bulk").wants("redis"),
    Question::new("dynamodb").wants("dynamodb"),
    Question::new("threads"),
    Question::new("tracing").counted(),
    Question::new("scale_keys").counted(),
    Question::new("scale_values"),
    Question::new("scale_levels"),
    Question::new("scale_tasks"),
    Question::new("scale_repairs"),
    Question::new("scale_memory"),
];

impl Question {
    pub(super) fn is_counted(&self) -> bool {
        self.counts == Counts::Yes
    }

    fn is_named_by(&self, filter: &str) -> bool {
        filter.split('/').next() == Some(self.name)
    }
}

/// The questions that these filters name, or all where they name none: what a case is called, only
/// its program knows.
pub(super) fn selected(filters: &[String]) -> Vec<&'static Question> {
    let named = |question: &&Question| filters.iter().any(|filter| question.is_named_by(filter));
    let selected: Vec<_> = QUESTIONS.iter().filter(named).collect();
    match selected.is_empty() {
        true => QUESTIONS.iter().collect(),
        false => selected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(filters: &[&str]) -> Vec<&'static str> {
        let filters: Vec<_> = filters.iter().map(ToString::to_string).collect();
        selected(&filters)
            .iter()
            .map(|question| question.name)
            .collect()
    }

    #[test]
    fn a_filter_can_name_a_question() {
        assert_eq!(names(&["hit"]), ["hit"]);
        assert_eq!(names(&["hit/sequential", "1 KB"]), ["hit"]);
        assert_eq!(names(&["1 KB"]).len(), QUESTIONS.len());
        assert_eq!(names(&[]).len(), QUESTIONS.len());
    }
}
