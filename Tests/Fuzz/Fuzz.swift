import Foundation
import HDF5

/// Feeds one reader of kaon with inputs that are made from seeds, each a damaged or hostile variant of a
/// valid one.
///
///     fuzz SUBJECT FIRST END FOLDER
///
/// takes the seeds FIRST ..< END. FOLDER holds what the inputs are made from, the input of the moment, and
/// `progress`: its seed, and how many before it were taken and refused. An input that crashes or hangs the
/// reader ends the process; whoever started it looks there, and starts it again behind that seed.
/// `scripts/fuzz.sh` does.
///
/// Every input is taken, or refused with one sentence; other complaints are faults, told on standard output.
@main
enum Fuzz {
    /// Seconds that an input may take: of the processor, which other programs do not shorten, and by the clock.
    static let limits: (processor: Int, clock: UInt32) = (10, 300)
    /// A small file must not take more memory [bytes].
    static let memory: rlim_t = 6 << 30

    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let first = UInt64(arguments[2]), let end = UInt64(arguments[3]),
            first <= end
        else { fail("usage: fuzz configuration|safetensors|data|checkpoint FIRST END FOLDER") }
        let folder = arguments[4]
        HDF5Library.start()
        var most = rlimit(rlim_cur: memory, rlim_max: memory)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &most)

        let subject: any Subject =
            switch arguments[1] {
            case "configuration": try ConfigurationSubject(folder)
            case "safetensors": try SafetensorsSubject(folder)
            case "data": try DataSubject(folder)
            case "checkpoint": try CheckpointSubject(folder)
            default: fail("there is no subject \(arguments[1])")
            }
        let progress = Progress(folder + "/progress")
        for seed in first..<end {
            progress.begin(seed)
            var random = SplitMix(seed)
            setTimer(processor: limits.processor, clock: limits.clock)
            do {
                try subject.tryInput(&random)
                progress.taken += 1
            } catch let fault as Fault {
                tell("seed \(seed): \(fault.description)")
                progress.faults += 1
            } catch {
                if let fault = complaint(about: "\(error)") {
                    tell("seed \(seed): \(fault)")
                    progress.faults += 1
                } else {
                    progress.refused += 1
                }
            }
            setTimer(processor: 0, clock: 0)
        }
        progress.begin(end)
    }

    /// Has signals end the process after some seconds; 0 for no end.
    private static func setTimer(processor: Int, clock: UInt32) {
        var time = itimerval(it_interval: timeval(), it_value: timeval(tv_sec: processor, tv_usec: 0))
        setitimer(__itimer_which_t(ITIMER_PROF.rawValue), &time, nil)
        alarm(clock)
    }

    /// At once: the next input may end the process.
    private static func tell(_ text: String) { FileHandle.standardOutput.write(Data("\(text)\n".utf8)) }

    private static func fail(_ text: String) -> Never {
        FileHandle.standardError.write(Data("fuzz: \(text)\n".utf8))
        exit(64)
    }
}

/// A reader and what its inputs are made from.
protocol Subject {
    /// Makes an input and has it read. Throws what the reader throws, or `Fault` where it did wrong.
    func tryInput(_ random: inout SplitMix) throws
}

/// Something that a reader must not do.
struct Fault: Error {
    let description: String
}

/// What is wrong with the words of a refusal; nil if they are one sentence. (Several unknown keys of a
/// configuration come one a line.)
func complaint(about text: String) -> String? {
    let shown = text.prefix(300)
    if text.isEmpty { return "refused without a word" }
    if text.utf8.count > 4000 { return "a refusal of \(text.utf8.count) bytes: \(shown)" }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.count > 1, !lines.allSatisfy({ $0.contains("unknown key") }) { return "several lines: \(shown)" }
    if text.unicodeScalars.contains(where: { $0.value < 0x20 && $0 != "\n" || $0.value == 0x7f }) {
        return "control characters in: \(shown)"
    }
    for word in ["Optional(", "Error Domain", "Error(", "fatal"] where text.contains(word) {
        return "'\(word)' in: \(shown)"
    }
    return nil
}

/// Where the work stands, in a file that outlives the process.
final class Progress {
    var taken = 0, refused = 0, faults = 0
    private let file: Int32

    init(_ path: String) {
        file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    }

    func begin(_ seed: UInt64) {
        // Equally long, so that no rest of an older line is left.
        let line =
            [Int(seed), taken, refused, faults].map { String(format: "%019d", $0) }.joined(separator: " ")
            + "\n"
        _ = line.withCString { pwrite(file, $0, strlen($0), 0) }
    }
}

/// Random numbers of a seed (SplitMix64).
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }

    mutating func below(_ count: Int) -> Int { Int.random(in: 0..<max(1, count), using: &self) }

    /// True once in `count` times.
    mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

    mutating func element<T>(_ values: [T]) -> T { values[below(values.count)] }
}
