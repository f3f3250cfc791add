import Foundation

/// A circumstance that ends a run, in words.
public struct TrainingError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// Why the system refused, in its own words: "No such file or directory".
func reason(_ error: any Error) -> String {
    let error = error as NSError
    let cause = (error.userInfo[NSUnderlyingErrorKey] as? any Error).map { $0 as NSError } ?? error
    return cause.domain == NSPOSIXErrorDomain ? String(cString: strerror(Int32(cause.code))) : "\(error)"
}

/// The reason of the last system call that failed.
func systemReason() -> String { String(cString: strerror(errno)) }
