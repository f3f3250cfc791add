import Configuration

extension RunOptions {
    /// `evaluate`: what an evaluation on the test files writes.
    package struct Evaluate: Sendable {
        /// Properties of the jets beside the predictions; nil for `index`, `file` and `jets`.
        package var spectators: [String]?
    }
}

extension RunOptions.Evaluate {
    package init(from section: Section) throws {
        spectators = try section.optionalStrings(
            "spectators", absent: "all", .advanced,
            help: "properties of the jets in `predictions.h5`: `index` (row in the file), `file` (its number), and "
                + "datasets of the test files with a row for each jet; `all`: `index`, `file`, and `jets` if all files "
                + "have it")
    }
}
