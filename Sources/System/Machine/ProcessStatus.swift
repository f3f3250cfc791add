import Foundation

/// The fields of `/proc/PID/status`; empty where the system does not provide them.
package struct ProcessStatus {
    private let fields: [Substring: Substring]

    /// The status of the current process.
    package init() { self.init(process: "self") }

    /// - Parameter process: the number of a process, or `self`.
    init(process: String) {
        let text = systemText("/proc/\(process)/status") ?? ""
        fields = Dictionary(
            text.split(separator: "\n").compactMap { line in
                line.firstIndex(of: ":").map {
                    (line[..<$0], line[line.index(after: $0)...].drop { $0 == " " || $0 == "\t" })
                }
            }
        ) { first, _ in first }
    }

    /// The value of a field, such as `VmHWM`.
    package subscript(name: String) -> String? { fields[name[...]].map(String.init) }

    /// The value of a numeric field, without its unit.
    package func number(_ name: String) -> Int? {
        self[name].flatMap { Int($0.prefix { $0.isNumber }) }
    }

    package var parent: pid_t? { number("PPid").flatMap { pid_t(exactly: $0) } }

    /// True if a debugger is attached.
    package var isTraced: Bool { number("TracerPid").map { $0 != 0 } ?? false }

    /// The cores that the process may use, such as `0-3,8`; empty if unknown.
    package var allowedCores: String { self["Cpus_allowed_list"] ?? "" }

    /// Peak memory of the current process [MiB].
    ///
    /// `VmHWM` starts anew at `exec`; `getrusage` includes what the process used before.
    package static var peakMemory: Double {
        if let kilobytes = ProcessStatus().number("VmHWM") { return Double(kilobytes) / 1024 }
        var usage = rusage()
        getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_maxrss) / 1024
    }
}

/// The model of the processor, such as `AMD EPYC 9654 96-Core Processor`; the architecture where the system does not
/// name it.
package let processorModel: String = {
    let lines = (systemText("/proc/cpuinfo") ?? "").split(separator: "\n")
    if let line = lines.first(where: { $0.hasPrefix("model name") }), let colon = line.firstIndex(of: ":") {
        return line[line.index(after: colon)...].split(separator: " ").joined(separator: " ")
    }
    #if arch(x86_64)
        return "x86_64"
    #elseif arch(arm64)
        return "arm64"
    #else
        return "unknown"
    #endif
}()

/// The text of a file of `/proc`; nil if it cannot be read.
///
/// Reading such a file may return a page at a time, which Foundation's functions for whole files take for all of it.
package func systemText(_ path: String) -> String? {
    guard let data = try? FileHandle(forReadingAtPath: path)?.readToEnd() else { return nil }
    return String(decoding: data, as: UTF8.self)
}
