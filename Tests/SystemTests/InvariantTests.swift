import Foundation
import System
import Testing

@Suite struct InvariantTests {
    @Test func aTrueInvariantEvaluatesNoMessage() {
        func message() -> String {
            Issue.record("the message was evaluated")
            return ""
        }
        invariant(1 < 2, message())
    }

    @Test func aBrokenInvariantNamesItsPlace() async throws {
        let result = try await #require(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            invariant(CommandLine.argc < 0, "the count is \(12)")
        }
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        let sentence =
            #/Error: internal error: the count is 12 \(SystemTests/InvariantTests\.swift:\d+\); please report it\n/#
        #expect(text.firstMatch(of: sentence) != nil, "\(text)")
    }

    @Test func aHandlerReplacesTheAbort() async throws {
        let result = try await #require(processExitsWith: .exitCode(7), observing: [\.standardErrorContent]) {
            FatalError.install { message in
                FileHandle.standardError.write(Data("handled: \(message)\n".utf8))
                _exit(7)
            }
            outOfMemory("the system refused 4.2 MB")
        }
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(text.contains("handled: out of memory: the system refused 4.2 MB\n"), "\(text)")
    }
}
