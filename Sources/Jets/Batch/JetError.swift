import Configuration

/// Data that cannot be used, in one sentence: the file, the dataset, the row and what to do.
package struct JetError: Error, CustomStringConvertible {
    /// The sentence.
    package let description: String

    /// An error that says `description`, of which parts may come from a file.
    package init(_ description: String) {
        self.description = printable(description, limit: 2000)
    }
}
