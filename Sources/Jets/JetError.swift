import Configuration

/// Data that cannot be used, in one sentence: the file, the dataset, the row and what to do.
public struct JetError: Error, CustomStringConvertible {
    /// The sentence.
    public let description: String

    /// An error that says `description`, of which parts may come from a file.
    public init(_ description: String) {
        self.description = printable(description, limit: 2000)
    }
}
