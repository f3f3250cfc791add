/// Data that cannot be used, in one sentence: the file, the dataset, the row and what to do.
public struct JetError: Error, CustomStringConvertible {
    /// The sentence.
    public let description: String

    /// An error that says `description`.
    public init(_ description: String) {
        self.description = description
    }
}
