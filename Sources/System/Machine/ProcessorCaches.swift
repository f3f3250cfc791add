import Foundation

/// The caches of one core.
package struct ProcessorCaches: Sendable {
    /// Size of the second-level cache [bytes].
    package var secondLevel: Int
    /// The size of the third-level cache divided by the number of cores that share it [bytes]; 0 if unknown.
    package var thirdLevelShare: Int

    /// The size of both levels together [bytes].
    package var total: Int { secondLevel + thirdLevelShare }

    package init(secondLevel: Int, thirdLevelShare: Int) {
        (self.secondLevel, self.thirdLevelShare) = (secondLevel, thirdLevelShare)
    }

    /// Reads the first core's caches; 1 MiB and no third level where the system does not describe them.
    ///
    /// - Parameter folder: the folder of the system, another one for tests.
    package init(_ folder: String = "/sys/devices/system/cpu/cpu0/cache") {
        self.init(secondLevel: 1 << 20, thirdLevelShare: 0)
        func text(_ index: String, _ name: String) -> String {
            (systemText("\(folder)/\(index)/\(name)") ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
        }
        var sizes: [Int: (bytes: Int, threads: Int)] = [:]
        for index in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            guard let level = Int(text(index, "level")), text(index, "type") != "Instruction",
                let bytes = Self.bytes(text(index, "size")), bytes > 0
            else { continue }
            let threads = text(index, "shared_cpu_map").reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
            sizes[level] = (bytes, max(1, threads))
        }
        guard let second = sizes[2] else { return }
        secondLevel = second.bytes
        // The hardware threads of a core share its second-level cache.
        if let third = sizes[3] { thirdLevelShare = third.bytes / max(1, third.threads / second.threads) }
    }

    /// The number of bytes of a size such as `1024K`; nil for another text.
    private static func bytes(_ text: String) -> Int? {
        let shift = ["K": 10, "M": 20, "G": 30][text.suffix(1)] ?? 0
        return Int(shift == 0 ? text[...] : text.dropLast()).map { $0 << shift }
    }
}
