import Foundation
import HDF5
import System

/// Tests one reader of kaon with damaged and hostile variants of valid inputs, generated from seeds.
///
///     fuzz SUBJECT FIRST END FOLDER
///
/// uses the seeds FIRST ..< END. FOLDER holds the valid inputs, the current input, and `progress`: the current seed and
/// the counts of accepted and refused inputs. An input that crashes or hangs the reader ends the process;
/// `scripts/fuzz.sh` reads `progress` and restarts after that seed.
///
/// Every input must be accepted or refused with one sentence. Anything else is a fault, printed on standard output.
@main
enum Fuzz {
    /// Limits for one input: processor time, which is independent of other programs, and wall-clock time [s].
    static let limits: (processor: Int, clock: UInt32) = (10, 300)
    /// Limit of the address space; the inputs are small [bytes].
    static let memory: rlim_t = 6 << 30

    static func main() throws {
        let arguments = CommandLine.arguments
        let usage = "usage: fuzz configuration|safetensors|data|checkpoint FIRST END FOLDER"
        switch arguments.dropFirst().first {
        case "-h", "--help":
            print(usage + "\nTests the readers of kaon; scripts/fuzz.sh runs it.")
            return
        case "--version":
            print("kaon \(kaonVersion)")
            return
        default: break
        }
        guard arguments.count == 5, let first = UInt64(arguments[2]), let end = UInt64(arguments[3]),
            first <= end
        else { fail(usage) }
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
            default: fail("unknown subject \(arguments[1])")
            }
        let progress = Progress(folder + "/progress")
        for seed in first..<end {
            progress.begin(seed)
            var random = SplitMix(seed)
            setTimer(processor: limits.processor, clock: limits.clock)
            do {
                try subject.tryInput(&random)
                progress.accepted += 1
            } catch let fault as Fault {
                report("seed \(seed): \(fault.description)")
                progress.faults += 1
            } catch {
                if let fault = complaint(about: "\(error)") {
                    report("seed \(seed): \(fault)")
                    progress.faults += 1
                } else {
                    progress.refused += 1
                }
            }
            setTimer(processor: 0, clock: 0)
        }
        progress.begin(end)
    }

    /// Sets timers whose signals end the process [s]; 0 for none.
    private static func setTimer(processor: Int, clock: UInt32) {
        var time = itimerval(it_interval: timeval(), it_value: timeval(tv_sec: processor, tv_usec: 0))
        setitimer(__itimer_which_t(ITIMER_PROF.rawValue), &time, nil)
        alarm(clock)
    }

    /// Prints without buffering, because the next input may end the process.
    private static func report(_ text: String) { FileHandle.standardOutput.write(Data("\(text)\n".utf8)) }

    private static func fail(_ text: String) -> Never {
        FileHandle.standardError.write(Data("fuzz: \(text)\n".utf8))
        exit(64)
    }
}

/// A reader and its valid inputs.
protocol Subject {
    /// Generates an input and reads it. Throws the errors of the reader, or `Fault` if it fails in another way.
    func tryInput(_ random: inout SplitMix) throws
}

/// Incorrect behaviour of a reader.
struct Fault: Error {
    let description: String
}

/// The fault in the message of an error; nil if the message is one sentence. (Unknown keys of a configuration are
/// listed one per line.)
func complaint(about text: String) -> String? {
    let shown = text.prefix(300)
    if text.isEmpty { return "refused without a message" }
    if text.utf8.count > 4000 { return "a message of \(text.utf8.count) bytes: \(shown)" }
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

/// The progress, in a file that survives a crash.
final class Progress {
    var accepted = 0, refused = 0, faults = 0
    private let file: Int32

    init(_ path: String) {
        file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    }

    func begin(_ seed: UInt64) {
        // Of constant length, so that it replaces the previous line completely.
        let line =
            [Int(seed), accepted, refused, faults].map { String(format: "%019d", $0) }.joined(separator: " ")
            + "\n"
        _ = line.withCString { pwrite(file, $0, strlen($0), 0) }
    }
}

/// A seeded generator of random numbers (SplitMix64).
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

    /// True with probability 1 / `count`.
    mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

    mutating func element<T>(_ values: [T]) -> T { values[below(values.count)] }
}
