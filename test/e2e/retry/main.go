// Asks one chat through the official SDK, with its own retries, and prints the status of every try and the answer.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func main() {
	watch := func(request *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		response, err := next(request)
		if err != nil {
			return response, err
		}
		fmt.Println(response.StatusCode)
		if response.StatusCode == http.StatusTooManyRequests {
			released, err := http.Get(os.Getenv("RELEASE_URL"))
			if err != nil {
				return response, err
			}
			_, _ = io.Copy(io.Discard, released.Body)
			_ = released.Body.Close()
		}
		return response, nil
	}
	client := openai.NewClient(
		option.WithBaseURL(os.Getenv("BASE_URL")),
		option.WithAPIKey(os.Getenv("API_KEY")),
		option.WithMiddleware(watch),
	)
	completion, err := client.Chat.Completions.New(context.Background(), openai.ChatCompletionNewParams{
		Model:    "gpt-4.1",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Say hello.")},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(completion.Choices[0].Message.Content)
}
