import Foundation

/// The fields of `/proc/PID/status`, empty where the system does not show them.
package struct ProcessStatus {
    private let fields: [Substring: Substring]

    /// - Parameter process: `self` or a process number.
    package init(of process: String = "self") {
        let text = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
        fields = Dictionary(
            text.split(separator: "\n").compactMap { line in
                line.firstIndex(of: ":").map {
                    (line[..<$0], line[line.index(after: $0)...].drop { $0 == " " || $0 == "\t" })
                }
            }) { first, _ in first }
    }

    /// The value of a field, such as `VmHWM`.
    package subscript(name: String) -> String? { fields[name[...]].map(String.init) }

    /// The value of a numeric field, without its unit.
    package func number(_ name: String) -> Int? {
        self[name].flatMap { Int($0.prefix { $0.isNumber }) }
    }

    /// The peak memory of this process so far [MiB].
    ///
    /// `VmHWM` counts this program alone; `getrusage` also counts what the process was before `exec`.
    package static var peakMemory: Double {
        if let kilobytes = ProcessStatus().number("VmHWM") { return Double(kilobytes) / 1024 }
        var usage = rusage()
        getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_maxrss) / 1024
    }
}
